/** Watchers whose pages are asked: open ones, and ones behind TLS and a password. */

import { execFile } from 'node:child_process';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Authority, createAuthority, type Issued } from '../../lab/certificates.ts';
import type { Daemon } from '../../lab/daemon.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { all, program } from './needs.ts';
import { SHORT, type Stage } from './stage.ts';

export interface Served {
  readonly daemon: Daemon;
  readonly port: number;
  /** settings of this daemon, for other commands */
  readonly settings: Readonly<Record<string, string>>;
  ask(path: string, init?: RequestInit): Promise<Response>;
}

/** A watcher with pages that has nobody to restart: what it would do, and when, is in its log. */
export async function serve(stage: Stage, change: Readonly<Record<string, string>> = {}): Promise<Served> {
  const port = await closedPort();
  const settings = {
    ...SHORT,
    CERT_DIR: stage.certs.path,
    DOCKER_SOCK: join(stage.directory, 'none.sock'),
    ENABLE_RESTART: 'false',
    ENABLE_METRICS: 'true',
    METRICS_HOST: '127.0.0.1',
    METRICS_PORT: String(port),
    ...change,
  };
  const daemon = stage.daemon(settings);
  const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  return { daemon, port, settings, ask };
}

export async function served(stage: Stage, change: Readonly<Record<string, string>> = {}): Promise<Served> {
  const one = await serve(stage, change);
  await one.daemon.says('server_started');
  await until('the first cycle', async () => (await one.ask('/readyz')).ok);
  return one;
}

/** What {@link guarded} and its `curl` need. */
export const GUARDED = all(program('curl'), program('perl'));

export const PASSWORD = 'correct horse: battery';

export interface Guarded {
  readonly daemon: Daemon;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly authority: Authority;
  file(name: string): string;
  put(name: string, text: string): Promise<void>;
  install(identity: Issued): Promise<void>;
  curl(path: string, ...args: string[]): Promise<{ readonly status: string; readonly body: string }>;
}

interface Wanted {
  readonly clients?: boolean;
}

/** A watcher that has nobody to restart, with everything before its pages; the hash is made by the system's crypt(3). */
export async function guarded(stage: Stage, { clients = false }: Wanted = {}): Promise<Guarded> {
  const authority = await createAuthority({ cn: 'Example CA' });
  const file = (name: string) => join(stage.directory, name);
  const put = async (name: string, content: string) => {
    await writeFile(file(`${name}.new`), content, { mode: 0o600 });
    await rename(file(`${name}.new`), file(name));
  };
  const install = async ({ chainPem, keyPem }: Issued) => {
    await put('server.key', keyPem);
    await put('server.crt', chainPem);
  };
  await put('ca.crt', authority.certPem);
  await install(await authority.issue({ cn: 'first', sans: ['127.0.0.1'] }));
  await put('users', `# who may look\nprometheus:${await crypt(PASSWORD)}\n`);
  const port = await closedPort();
  const settings = {
    ...SHORT,
    CERT_DIR: stage.certs.path,
    DOCKER_SOCK: file('none.sock'),
    ENABLE_RESTART: 'false',
    ENABLE_METRICS: 'true',
    METRICS_HOST: '127.0.0.1',
    METRICS_PORT: String(port),
    METRICS_TLS_CERT_FILE: file('server.crt'),
    METRICS_TLS_KEY_FILE: file('server.key'),
    METRICS_AUTH_FILE: file('users'),
    ...(clients && { METRICS_CLIENT_CA_FILE: file('ca.crt') }),
  };
  const daemon = stage.daemon(settings);
  await daemon.says('server_started');
  const curl = async (path: string, ...args: string[]) => {
    const own = ['-s', '--cacert', file('ca.crt'), '-w', '\n%{http_code}', ...args];
    const { stdout } = await run('curl', [...own, `https://127.0.0.1:${port}${path}`]);
    const [, body = '', status = ''] = /^(.*)\n(\d+)$/s.exec(stdout) ?? [];
    return { status, body };
  };
  return { daemon, port, settings, authority, file, put, install, curl };
}

async function crypt(password: string): Promise<string> {
  const salt = '$2y$10$abcdefghijklmnopqrstuu';
  const { stdout } = await run('perl', ['-e', 'print crypt($ARGV[0], $ARGV[1])', password, salt]);
  return stdout;
}

/** Runs it to its end. */
export function run(command: string, args: readonly string[], env = process.env, input = '') {
  return new Promise<{ readonly code: unknown; readonly stdout: string; readonly stderr: string }>(
    (resolve) => {
      const child = execFile(command, [...args], { env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
      );
      child.stdin?.end(input);
    },
  );
}
