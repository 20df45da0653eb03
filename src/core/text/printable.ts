/**
 * Makes text of any origin (a subject, a name, an error) safe to read. Control characters drive a terminal, marks that
 * change the direction of writing deceive a reader, and zero-width characters hide between letters.
 */

/** Includes characters that only look blank (U+3164), and lone surrogates, which no output can carry. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** For terminals and pages: invisible characters are replaced by `\uFFFD`, white space of any kind by blanks. */
export function visible(text: string): string {
  return text.replace(/[\s\u0085]/g, ' ').replace(UNSEEN, '\uFFFD');
}

/** The same as one short line of at most `longest` characters and `…`. */
export function printable(text: string, longest = 300): string {
  // the part that is cut off is not processed: a text may have megabytes
  return cut(visible(text.slice(0, 2 * longest + 1).replace(/\s+/g, ' ')).trim(), longest);
}

/** The first `longest` characters and `…`, never half a character; the text itself if it is no longer than that. */
export function cut(text: string, longest: number): string {
  if (text.length <= longest) return text;
  return `${text.slice(0, longest).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/**
 * JSON, as `JSON.stringify` writes it, whose text shows what it contains: an invisible character becomes `\u202e`,
 * which programs read as the same.
 */
export function visibleJson(json: string): string {
  // every line end inside a string is already escaped; the remaining ones are the layout
  return json.replace(UNSEEN, (unseen) => (unseen === '\n' ? unseen : escaped(unseen)));
}

function escaped(text: string): string {
  const units = Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
