/**
 * JSON from outside, within bounds. What `JSON.parse` makes of a text can take a hundred times its size: brackets cost
 * two bytes each on the wire and an object each in memory. So a scan that allocates nothing comes first.
 */

export interface JsonBounds {
  /** nesting of brackets */
  readonly depth: number;
  /** objects, arrays and their elements */
  readonly values: number;
}

/** The value of a JSON text, or what is wrong with it, continuing "it". */
export function parseJson(
  text: string,
  bounds: JsonBounds,
): { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: string } {
  const excess = excessOf(text, bounds);
  if (excess !== undefined) return { ok: false, problem: excess };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, problem: 'is not JSON' };
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const [OPEN_LIST, CLOSE_LIST] = [0x5b, 0x5d];
const [OPEN_OBJECT, CLOSE_OBJECT] = [0x7b, 0x7d];

/** Counts brackets and commas outside of strings; whether the text is JSON at all is left to the parser. */
function excessOf(text: string, bounds: JsonBounds): string | undefined {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at);
    if (sign === QUOTE) at = endOfText(text, at);
    else if (sign === COMMA) values += 1;
    else if (sign === CLOSE_LIST || sign === CLOSE_OBJECT) depth -= 1;
    else if (sign === OPEN_LIST || sign === OPEN_OBJECT) {
      depth += 1;
      values += 1;
      if (depth > bounds.depth) return `is nested deeper than ${bounds.depth} levels`;
    }
    if (values > bounds.values) return `holds more than ${Math.floor(bounds.values)} values`;
  }
  return undefined;
}

/** Where the string that begins with this quotation mark ends. */
function endOfText(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}
