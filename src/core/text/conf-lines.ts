/** The lines of a `mosquitto.conf` as Mosquitto splits them (fgets, then strtok at blanks). */

export interface ConfLine {
  /** counted from 1 */
  readonly line: number;
  readonly option: string;
  /** what follows the blank after the option, as it stands there; undefined: nothing does */
  readonly rest: string | undefined;
}

/** Every line that holds an option. Only blanks separate; a remark is one only in the first column. */
export function linesOf(text: string): ConfLine[] {
  const lines: ConfLine[] = [];
  for (const [index, whole] of text.split('\n').entries()) {
    if (/^[#\r]/.test(whole)) continue;
    const [, option, rest] = /^ *([^ ]+)(?: (.*))?$/s.exec(whole.replace(/\r+$/, '')) ?? [];
    if (option !== undefined) lines.push({ line: index + 1, option, rest: rest === '' ? undefined : rest });
  }
  return lines;
}

/** The words of a value; `strtok_r(…, " ")` */
export function wordsOf(rest: string | undefined): string[] {
  return (rest ?? '').split(' ').filter((word) => word !== '');
}

/** As isspace(3) in the C locale has it. */
const BLANKS = /^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g;

/** A value that is the rest of its line, without blanks around it; undefined: none, or only blanks. */
export function textOf(rest: string | undefined): string | undefined {
  const text = rest?.replace(BLANKS, '');
  return text === '' ? undefined : text;
}

/** As atoi(3): what does not begin with a number is 0. */
export function atoi(text: string): number {
  return Number(/^[ \t\n\v\f\r]*([+-]?\d+)/.exec(text)?.[1] ?? 0);
}

/** As strtol(3) with base 0, the whole text; undefined: it is no number. */
export function strtol(text: string): number | undefined {
  const [, sign, hex, octal, decimal] =
    /^([+-]?)(?:0[xX]([\da-fA-F]+)|0([0-7]*)|([1-9]\d*))$/.exec(text) ?? [];
  if (sign === undefined) return undefined;
  const value =
    hex !== undefined
      ? Number.parseInt(hex, 16)
      : decimal !== undefined
        ? Number(decimal)
        : Number.parseInt(octal || '0', 8);
  return sign === '-' ? -value : value;
}
