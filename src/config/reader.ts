/** Reads one setting after the other, and collects the problems. */

import { shown } from './shown.ts';
import type { Entry } from './table.ts';

export interface Reader {
  /** The text that was given; undefined: none, or an empty one. */
  given(row: Entry<unknown>): string | undefined;
  /** The value given, or the default; an unusable value is a problem, and yields undefined. */
  read<T>(row: Entry<T>): T | undefined;
  complain(...problems: readonly string[]): void;
  /** In the order in which they were found. */
  problems(): readonly string[];
}

/** The environment takes precedence over the file. */
export function createReader(
  environment: Readonly<Record<string, string | undefined>>,
  fileValues: ReadonlyMap<string, string>,
  before: readonly string[],
): Reader {
  const problems = [...before];
  const given = ({ name }: Entry<unknown>) => environment[name] || fileValues.get(name) || undefined;
  return {
    given,
    read(row) {
      const text = given(row) ?? row.fallback;
      const value = text === undefined ? undefined : row.parser.parse(text);
      if (text !== undefined && value === undefined) {
        const why = row.parser.explain?.(text);
        problems.push(
          `${row.name}${shown(text, row.parser)} is not ${row.parser.accepts}${why === undefined ? '' : `: ${why}`}`,
        );
      }
      return value;
    },
    complain: (...found) => void problems.push(...found),
    problems: () => problems,
  };
}
