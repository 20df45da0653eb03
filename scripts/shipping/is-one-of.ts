/** Narrows a text to one of a list of words. */

export function isOneOf<const T extends string>(words: readonly T[], text: string): text is T {
  return words.some((word) => word === text);
}
