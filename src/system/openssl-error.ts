/** Errors of OpenSSL and Node in words that an operator can look up, without memory addresses and source files. */

import { printable } from '../core/text/printable.ts';
import { codeOf, messageOf } from './errors.ts';

/**
 * Whether OpenSSL itself reports it, on this side or by an alert from the peer; not the system, and not its
 * verification.
 */
export function isOpenSslError(error: unknown): boolean {
  return /error:[0-9A-F]{8}:/.test(messageOf(error));
}

/** `unsupported`, `tlsv1 alert unknown ca (SSL alert number 48)`; any other message as in {@link errorLine}. */
export function openSslReason(error: unknown): string {
  const message = messageOf(error);
  // thread:error:number:library:function:reason:file:line:data
  const [, reason, data] = /error:[0-9A-F]{8}:[^:]*:[^:]*:([^:]+)(?::[^:]*:\d+:(.*))?$/.exec(message) ?? [];
  if (reason === undefined) return errorLine(error);
  return printable(data ? `${reason} (${data.trim()})` : reason);
}

/**
 * The error in one line, with its code. What Node appends to messages of OpenSSL's verification is advice about
 * Node (`; if the root CA is installed locally, try running Node.js with …`): only the first clause is OpenSSL's.
 */
export function errorLine(error: unknown): string {
  const [message = ''] = messageOf(error).split(/; if |;? *try running/);
  const code = codeOf(error);
  return printable(code === undefined || message.includes(code) ? message : `${code}: ${message}`);
}
