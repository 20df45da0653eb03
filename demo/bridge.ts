/** What a bridge does whenever its link is cut: it reads its files and connects again. */

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';

/** How it went: the name in the certificate that lay there, and why the upstream did not let it in. */
export interface Reconnection {
  readonly commonName: string;
  readonly refusal: string | undefined;
}

/** Connects once with the files in this directory, to `host:port`. */
export async function reconnect(directory: string, address: string): Promise<Reconnection> {
  const [host = '', port = ''] = address.split(':');
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', 'client.crt', 'client.key'].map((name) => readFile(join(directory, name))),
  );
  const commonName = new X509Certificate(cert ?? '').subject.replace(/^CN=/, '');
  // with TLS 1.2, whoever gets through the handshake has been let in
  const socket = connect({ host, port: Number(port), ca, cert, key, maxVersion: 'TLSv1.2' });
  const refusal = await new Promise<string | undefined>((resolve) => {
    socket.on('secureConnect', () => resolve(undefined));
    socket.on('error', ({ message }) => resolve(message));
    socket.on('close', () => resolve('the upstream hung up'));
  });
  socket.destroy();
  return { commonName, refusal };
}
