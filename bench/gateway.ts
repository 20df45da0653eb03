/** A gateway to measure on: a real engine with a real broker, certificates, an upstream and a watcher. */

import { existsSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Broker, createBroker } from '../lab/broker.ts';
import { type CertDirectory, createCertDirectory } from '../lab/cert-directory.ts';
import { createAuthority, type Issued } from '../lab/certificates.ts';
import { type Daemon, PROGRAM, startDaemon } from '../lab/daemon.ts';
import { createEngineApi } from '../lab/engine-api.ts';
import { startMosquitto } from '../lab/real-servers.ts';
import { removeTree } from '../lab/remove-tree.ts';

export interface Gateway {
  /** a temporary directory, removed in the end */
  readonly directory: string;
  readonly certs: CertDirectory;
  readonly broker: Broker;
  /** what runs as the watcher, for people */
  readonly program: string;
  /** Replaces the certificates by new ones that the upstream accepts; resolves with the time after the last rename. */
  rotate(): Promise<number>;
  /** Starts a watcher of all this: the executable of `make build`, or the source where it is not built, unless told. */
  watch(settings: Readonly<Record<string, string>>, executable?: string): Daemon;
  /** Ends and removes everything. */
  end(): Promise<void>;
}

/** What `make build` makes. */
export const EXECUTABLE = join(import.meta.dirname, '..', 'dist', 'mosquitto-cert-watcher');

/** Makes the gateway with the engine of `DOCKER_HOST`, or of the usual socket. */
export async function createGateway(): Promise<Gateway> {
  const socketPath =
    /^unix:\/\/(\/.+)$/.exec(process.env['DOCKER_HOST'] ?? '')?.[1] ?? '/var/run/docker.sock';
  if (!existsSync(socketPath)) {
    throw new Error(
      `there is no engine at ${socketPath}; name another with DOCKER_HOST=unix:///path/to/socket`,
    );
  }
  const directory = await mkdtemp(join(tmpdir(), 'cert-watcher-bench-'));
  await chmod(directory, 0o755);
  const authority = await createAuthority({ cn: 'Upstream CA' });
  const identity = await authority.issue({ cn: 'upstream', sans: ['127.0.0.1'], key: 'rsa-2048' });
  const upstream = await startMosquitto({ identity, trusted: authority.certPem, version: 'TLSv1.3' });
  const certs = await createCertDirectory(join(directory, 'certs'));
  const broker = await createBroker(createEngineApi(socketPath), directory, { certs });
  const daemons: Daemon[] = [];
  let serial = 0;

  async function rotate(): Promise<number> {
    serial += 1;
    const { chainPem, keyPem }: Issued = await authority.issue({ cn: `edge-${serial}` });
    return certs.install({ ca: authority.certPem, cert: chainPem, key: keyPem });
  }

  await rotate();
  await broker.create();
  await broker.start();
  const isBuilt = existsSync(EXECUTABLE);
  return {
    directory,
    certs,
    broker,
    program: isBuilt ? 'the executable' : 'the source, with Node.js',
    rotate,
    watch: (settings, executable = isBuilt ? EXECUTABLE : undefined) => {
      const daemon = startDaemon(
        {
          CERT_DIR: certs.path,
          MOSQUITTO_CONTAINER: broker.name,
          DOCKER_SOCK: socketPath,
          UPSTREAM_ADDR: `127.0.0.1:${upstream.port}`,
          MALLOC_ARENA_MAX: '1',
          ...settings,
        },
        { program: executable === undefined ? PROGRAM : { node: executable } },
      );
      daemons.push(daemon);
      return daemon;
    },
    end: async () => {
      for (const daemon of daemons) await daemon.kill();
      broker.events.close();
      await broker.remove();
      await upstream.close();
      await removeTree(directory);
    },
  };
}
