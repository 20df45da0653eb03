/** Lists and counts that never grow without limit. */

/** The list with one more item, the oldest left out. */
export function keep<T>(list: readonly T[], item: T, most: number): readonly T[] {
  return [...list, item].slice(-most);
}

/** The counts with one more for `key`. */
export function increase<K extends string>(counts: Readonly<Record<K, number>>, key: K): Record<K, number> {
  return { ...counts, [key]: counts[key] + 1 };
}

/** A count for each name of a closed list. */
export function zeros<const K extends string>(names: readonly K[]): Record<K, number>;
export function zeros(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, 0]));
}
