/**
 * How much of a value may be shown to people: an error message ends up in a log, and in the mail of those who read it.
 */

import { cut } from '../core/text/printable.ts';
import type { Parser } from './parsers.ts';

const LONGEST = 200;

/**
 * The value as it appears in an error message, in quotes. Parts that may be secret are left out:
 * {@link withoutSecrets}.
 */
export function quoted(text: string): string {
  return JSON.stringify(cut(/@|:\/\//.test(text) ? withoutSecrets(text) : text, LONGEST));
}

/** `="value"`, to follow the name of a setting whose value is not acceptable; nothing of a secret. */
export function shown(
  text: string,
  { isAddress, isSecret }: Pick<Parser<unknown>, 'isAddress' | 'isSecret'>,
): string {
  if (isSecret === true) return '';
  return `=${quoted(isAddress === true ? withoutSecrets(text) : text)}`;
}

/**
 * Addresses (`mqtts://host:8883,…`, `host:port`) without user and password, and without what follows the port: paths,
 * queries and fragments hold tokens too. A password may contain any character; if it cannot be told from the rest, all
 * of it is left out.
 */
export function withoutSecrets(text: string): string {
  return text
    .split(/,(?=\s*mqtts?:\/\/)/i)
    .map(addressOnly)
    .join(',');
}

function addressOnly(text: string): string {
  const [, scheme = '', rest = ''] = /^(\s*(?:[a-z][a-z0-9+.-]*:\/\/)?)(.*)$/is.exec(text) ?? [];
  const at = rest.lastIndexOf('@');
  // the text before the last @ contains a user, or the @ itself belongs to a path or a query
  if (/[/?#]/.test(rest.slice(0, Math.max(at, 0)))) return `${scheme}…`;
  const [, address = '', separator = '', tail = ''] =
    /^([^/?#]*)([/?#]?)(.*)$/s.exec(rest.slice(at + 1)) ?? [];
  const user = at < 0 ? '' : '…@';
  return `${scheme}${user}${isAddress(address) ? address : '…'}${separator}${tail === '' ? '' : '…'}`;
}

/** `a:b:c` is not an address, but may be a user with a password whose @ was forgotten. */
function isAddress(text: string): boolean {
  return /^[^:]*(:[^:]*)?$/.test(text) || /^\[?[0-9a-f:.]+(%[\w.-]+)?\]?(:\w*)?$/i.test(text);
}
