/** Finds the client's certificate in what a client sends in a TLS 1.2 handshake (RFC 5246, 6.2 and 7.4). */

import { X509Certificate } from 'node:crypto';

const HANDSHAKE_RECORD = 22;
const RECORD_HEADER = 5;
const CERTIFICATE_MESSAGE = 11;
const MESSAGE_HEADER = 4;

/** Message header, length of the list, length of its first certificate. */
const CERTIFICATE_AT = MESSAGE_HEADER + 3 + 3;

/** A function to be given each chunk in turn; it returns the first certificate once, when it has come in whole. */
export function createCertificateReader(): (chunk: Buffer) => X509Certificate | undefined {
  let bytes = Buffer.alloc(0);
  let isFound = false;
  return (chunk) => {
    if (isFound) return undefined;
    bytes = Buffer.concat([bytes, chunk]);
    const message = messagesIn(handshakeIn(bytes)).find((one) => one[0] === CERTIFICATE_MESSAGE);
    if (message === undefined) return undefined;
    isFound = true;
    bytes = Buffer.alloc(0);
    // without a certificate the list is empty, and the server behind has the last word
    if (message.length <= CERTIFICATE_AT) return undefined;
    const length = message.readUIntBE(CERTIFICATE_AT - 3, 3);
    return new X509Certificate(message.subarray(CERTIFICATE_AT, CERTIFICATE_AT + length));
  };
}

/** The contents of the complete handshake records, up to the first record of another kind. */
function handshakeIn(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (bytes.length >= at + RECORD_HEADER && bytes[at] === HANDSHAKE_RECORD) {
    const end = at + RECORD_HEADER + bytes.readUInt16BE(at + 3);
    if (end > bytes.length) break;
    parts.push(bytes.subarray(at + RECORD_HEADER, end));
    at = end;
  }
  return Buffer.concat(parts);
}

/** The complete handshake messages, with their headers. */
function messagesIn(handshake: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  let at = 0;
  while (handshake.length >= at + MESSAGE_HEADER) {
    const end = at + MESSAGE_HEADER + handshake.readUIntBE(at + 1, 3);
    if (end > handshake.length) break;
    messages.push(handshake.subarray(at, end));
    at = end;
  }
  return messages;
}
