/** The look at a listener's certificate, at listeners of every kind. */

import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '../../../lab/certificates.ts';
import { closedPort, type RunningServer, startTcpServer, startTlsServer } from '../../../lab/tls-servers.ts';
import { presentedLeaf } from '../../../src/adapters/broker-listener/certificate.ts';

const authority = await createAuthority({ cn: 'Example CA' });
const broker = await authority.issue({ cn: 'broker', sans: ['127.0.0.1'] });
const LEAF = createHash('sha256').update(Buffer.from(broker.certificate.rawData)).digest('hex');

async function seenAt(starting: Promise<RunningServer>): Promise<string | undefined> {
  const { port, close } = await starting;
  onTestFinished(close);
  return presentedLeaf({ host: '127.0.0.1', port, tls: true });
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'sees the leaf of a listener that demands a certificate of ours (%s)',
  async (maxVersion) => {
    expect(await seenAt(startTlsServer(broker, authority.certPem, { maxVersion }))).toBe(LEAF);
  },
);

test('sees the leaf of a listener that talks without end, and hangs up', async () => {
  const closed = Promise.withResolvers<void>();
  const talking = startTlsServer(
    broker,
    authority.certPem,
    { requestCert: false, maxVersion: 'TLSv1.2' },
    (socket) => {
      const talk = () => {
        while (socket.write(Buffer.alloc(65_536)));
      };
      socket.on('drain', talk).on('close', closed.resolve);
      talk();
    },
  );
  expect(await seenAt(talking)).toBe(LEAF);
  await closed.promise;
});

test.each<[string, (socket: Socket) => void]>([
  ['hangs up', (socket) => socket.end()],
  ['resets the connection', (socket) => socket.resetAndDestroy()],
  ['says no word of TLS', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['says nothing', () => undefined],
])('sees nothing at a listener that %s, and leaves no socket behind', async (_what, answer) => {
  const closed = Promise.withResolvers<void>();
  const listener = startTcpServer((socket) => {
    socket.on('close', () => closed.resolve());
    socket.on('end', () => socket.end());
    answer(socket);
  });
  expect(await seenAt(listener)).toBeUndefined();
  await closed.promise;
});

test('sees nothing where nobody listens', async () => {
  expect(await presentedLeaf({ host: '127.0.0.1', port: await closedPort(), tls: true })).toBeUndefined();
});
