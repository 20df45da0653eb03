/** TLS_ALPN: the probe asks for the protocol that the bridge asks for. */

import type { TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '../../../lab/certificates.ts';
import { startTlsServer } from '../../../lab/tls-servers.ts';
import { runProbe } from '../../support/run-probe.ts';

const authority = await createAuthority({ cn: 'Example CA' });
const server = await authority.issue({ cn: 'broker', sans: ['localhost'] });
const { chainPem: cert, keyPem: key } = await authority.issue({ cn: 'edge' });

/** What a probe says to a server that knows these protocols, and what was agreed. */
async function probed(alpn: string | undefined, known: readonly string[]) {
  const agreed: (string | false | null)[] = [];
  const { port, close } = await startTlsServer(
    server,
    authority.certPem,
    { ALPNProtocols: [...known] },
    (socket: TLSSocket) => agreed.push(socket.alpnProtocol),
  );
  onTestFinished(close);
  const internals = { settleMinMs: 50 };
  const verdict = await runProbe({ ca: authority.certPem, cert, key }, { port, alpn, internals });
  return { verdict, agreed };
}

test('agrees on the protocol that it is told to ask for', async () => {
  const { verdict, agreed } = await probed('mqtt', ['http/1.1', 'mqtt']);
  expect([verdict.ok, agreed]).toEqual([true, ['mqtt']]);
});

test('asks for none unless told', async () => {
  const { verdict, agreed } = await probed(undefined, ['mqtt']);
  expect([verdict.ok, agreed]).toEqual([true, [false]]);
});

test('names the setting where the upstream does not speak the protocol', async () => {
  const { verdict } = await probed('x-amzn-mqtt-ca', ['mqtt']);
  expect(verdict).toMatchObject({
    ok: false,
    cause: 'protocol',
    hint: expect.stringMatching(/does not speak the protocol x-amzn-mqtt-ca .* TLS_ALPN/),
  });
});
