/** One row of the table of settings. */

import type { Parser } from './parsers.ts';

export interface Entry<T> {
  /** the environment variable; in lower case the key in the configuration file */
  readonly name: string;
  /** in the form in which a user would write it; undefined: unset */
  readonly fallback: string | undefined;
  /** shown instead of the default if that is not a plain value */
  readonly fallbackNote?: string;
  readonly parser: Parser<T>;
  readonly meaning: string;
}

/** A row; `fallback` in the form in which a user would write it. */
export function entry<const T>(
  name: string,
  fallback: string | undefined,
  parser: Parser<T>,
  meaning: string,
  fallbackNote?: string,
): Entry<T> {
  return { name, fallback, parser, meaning, ...(fallbackNote !== undefined && { fallbackNote }) };
}
