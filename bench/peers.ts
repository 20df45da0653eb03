/** What a watcher that is measured alone talks to: an engine whose broker is up to date, and an upstream that accepts. */

import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertDirectory } from '../lab/cert-directory.ts';
import { createAuthority } from '../lab/certificates.ts';
import { startTlsServer } from '../lab/tls-servers.ts';

export interface Peers {
  /** the settings that lead there */
  readonly settings: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Starts them in this process, with a certificate set that the upstream accepts. */
export async function startPeers(): Promise<Peers> {
  const directory = await mkdtemp(join(tmpdir(), 'cert-watcher-bench-'));
  await chmod(directory, 0o755);
  const authority = await createAuthority({ cn: 'Upstream CA' });
  const upstream = await startTlsServer(
    await authority.issue({ cn: 'upstream', sans: ['127.0.0.1'], key: 'rsa-2048' }),
    authority.certPem,
  );
  const certs = await createCertDirectory(join(directory, 'certs'));
  const client = await authority.issue({ cn: 'edge' });
  await certs.install({ ca: authority.certPem, cert: client.chainPem, key: client.keyPem });
  const socketPath = join(directory, 'engine.sock');
  const engine = createServer((request, response) => {
    response.setHeader('Api-Version', '1.41');
    response.end(request.url?.endsWith('/json') ? JSON.stringify(inspection()) : 'OK');
  });
  engine.listen(socketPath);
  await once(engine, 'listening');
  return {
    settings: {
      CERT_DIR: certs.path,
      DOCKER_SOCK: socketPath,
      UPSTREAM_ADDR: `127.0.0.1:${upstream.port}`,
    },
    close: async () => {
      engine.close();
      engine.closeAllConnections();
      await upstream.close();
      await rm(directory, { recursive: true });
    },
  };
}

const NEVER = '0001-01-01T00:00:00Z';
const STARTED_AT = new Date(Date.now() + 1_000).toISOString();

/** A broker that was started after the certificates were written. */
function inspection() {
  const state = { Status: 'running', Running: true, Paused: false, Restarting: false, ExitCode: 0 };
  return {
    Id: 'b'.repeat(64),
    Name: '/eclipse-mosquitto',
    State: { ...state, StartedAt: STARTED_AT, FinishedAt: NEVER },
    Config: { Image: 'eclipse-mosquitto:2' },
  };
}
