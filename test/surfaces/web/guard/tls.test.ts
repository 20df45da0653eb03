import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { createSelfSigned } from '../../../../lab/certificates.ts';
import { createTlsFront } from '../../../../src/surfaces/web/guard/tls.ts';

it('the work of a handshake is done within the turn that it is given', async () => {
  const identity = await createSelfSigned({ cn: 'gateway', key: 'rsa-2048' });
  const front = createTlsFront(false);
  front.use({ cert: identity.certPem, key: identity.keyPem });
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = connect({ host: '127.0.0.1', port: address.port, rejectUnauthorized: false });
  onTestFinished(() => void client.destroy());
  const [raw] = (await once(server, 'connection')) as [Socket];
  onTestFinished(() => void raw.destroy());
  const [hello] = (await once(raw, 'data')) as [Buffer];
  raw.pause();
  const isSecure = Promise.withResolvers<void>();
  await front.begin(raw, hello, () => isSecure.resolve());
  // certificate and signature are on their way
  expect(raw.bytesWritten).toBeGreaterThan(identity.certificate.rawData.byteLength);
  await isSecure.promise;
});
