/** An address that is a secret: given directly, or as a file that contains it. */

import type { SecretUrl } from '../core/model/settings.ts';

/** Where the address is found; giving both is a problem, because one of them would be ignored. */
export function secretUrlOf(
  row: { readonly name: string },
  url: string | undefined,
  fileRow: { readonly name: string },
  path: string | undefined,
): { readonly url: SecretUrl | undefined; readonly problem?: string } {
  if (url !== undefined && path !== undefined) {
    const problem = `${row.name} and ${fileRow.name} are set; only one of them can say where to send`;
    return { url: undefined, problem };
  }
  if (url !== undefined) return { url: { kind: 'value', url } };
  return { url: path === undefined ? undefined : { kind: 'file', path } };
}
