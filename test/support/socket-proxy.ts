/** HAProxy of this machine in front of an engine's socket, with the configuration that is shipped or with another. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { executable } from '../../lab/real-servers.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { REPOSITORY } from './shipping.ts';

export interface SocketProxy {
  readonly port: number;
  /** The status of the answer to one call; the path goes out as it is, and `form` as the body of a form. */
  call(method: string, path: string, form?: string): Promise<number>;
  close(): Promise<void>;
}

/** Listens on a free port and lets the calls for `container` through to the socket. */
export async function startSocketProxy(
  directory: string,
  { container, socketPath }: { readonly container: string; readonly socketPath: string },
): Promise<SocketProxy> {
  const shipped = await readFile(join(REPOSITORY, 'deploy/socket-proxy/haproxy.cfg'), 'utf8');
  return startHaproxyAs(directory, adapted(shipped, { container, socketPath }));
}

/** Runs the configuration as it is, but for the port, which is a free one. */
export async function startHaproxyAs(directory: string, configuration: string): Promise<SocketProxy> {
  const port = await closedPort();
  const file = join(directory, `haproxy-${port}.cfg`);
  await writeFile(file, replaced(configuration, [['bind :2375', `bind 127.0.0.1:${port}`]]));
  const child = spawn(executable('haproxy') ?? 'haproxy', ['-db', '-f', file], { stdio: 'pipe' });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
  }
  const call = (method: string, path: string, form?: string) => statusOf(port, method, path, form);
  await until(
    'the socket proxy to answer',
    () => {
      if (child.exitCode !== null) throw new Error(`haproxy has ended\n${said}`);
      return call('GET', '/').catch(() => undefined);
    },
    { otherwise: () => said },
  );
  const close = async () => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  return { port, call, close };
}

/** Container and socket are of the test. */
function adapted(
  shipped: string,
  { container, socketPath }: { readonly container: string; readonly socketPath: string },
): string {
  return replaced(shipped, [
    ['eclipse-mosquitto', container],
    ['/var/run/docker.sock', socketPath],
  ]);
}

/** Each has to be there to be replaced. */
function replaced(text: string, replacements: readonly (readonly [from: string, to: string])[]): string {
  return replacements.reduce((configuration, [from, to]) => {
    if (!configuration.includes(from)) throw new Error(`haproxy.cfg does not say ${from} any more`);
    return configuration.replaceAll(from, to);
  }, text);
}

function statusOf(port: number, method: string, path: string, form?: string): Promise<number> {
  const headers = form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (incoming) => {
      incoming.resume();
      incoming.on('end', () => resolve(incoming.statusCode ?? 0));
    });
    outgoing.on('error', reject);
    outgoing.end(form);
  });
}
