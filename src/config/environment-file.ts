/** Reads a file of NAME=value lines, as systemd takes it for EnvironmentFile=. systemd.exec(5) */

export type EnvironmentFile =
  | { readonly ok: true; readonly values: ReadonlyMap<string, string> }
  /** the number of the first line that is neither a remark nor NAME=value */
  | { readonly ok: false; readonly line: number };

/** The values by name; of a name that stands there twice the last one, as for systemd. */
export function parseEnvironmentFile(text: string): EnvironmentFile {
  const values = new Map<string, string>();
  for (const [index, line] of text.split(/\r\n|[\r\n]/).entries()) {
    if (/^\s*(?:[#;].*)?$/.test(line)) continue;
    const [, name, rest = ''] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
    const value = unquoted(rest.trim());
    if (name === undefined || value === undefined) return { ok: false, line: index + 1 };
    values.set(name, value);
  }
  return { ok: true, values };
}

/** Without its quotes; undefined if they do not match, or if it goes on in the next line. */
function unquoted(text: string): string | undefined {
  const quoted = /^'([^']*)'$|^"((?:[^"\\]|\\.)*)"$/.exec(text);
  if (quoted !== null) return quoted[1] ?? (quoted[2] ?? '').replace(/\\(["\\$`])/g, '$1');
  return /^['"]|\\$/.test(text) ? undefined : text.replace(/\\(.)/g, '$1');
}
