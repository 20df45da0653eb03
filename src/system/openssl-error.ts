/** Errors of OpenSSL and Node in the words that an operator can look up, without addresses of memory and source files. */

import { codeOf, messageOf } from './errors.ts';

const LONGEST = 300;

/** `unsupported`, `tlsv1 alert unknown ca (SSL alert number 48)`; any other message as {@link errorLine} puts it. */
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

/** Text from the other side, fit for a terminal and a log line: no control characters, not endless. */
export function printable(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ').trim();
  return clean.length > LONGEST ? `${clean.slice(0, LONGEST)}…` : clean;
}
