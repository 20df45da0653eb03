/** A Podman service of the test's own, for the same API calls. Needs root and podman. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answersPing, createEngineApi, type EngineApi } from '../../lab/engine-api.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { until } from '../../lab/until.ts';
import { type BrokerOptions, type Stage, watched } from './stage.ts';

export interface Podman {
  readonly api: EngineApi;
  /** Ends the service and removes its storage. */
  end(): Promise<void>;
}

/** Raising limits is not everywhere allowed, even to root. */
const CONFIGURATION = `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
`;

/**
 * A Podman that keeps everything in `directory` and listens on a socket there; the engine of an ordinary user if it has
 * a `uid`.
 */
export async function startPodman(directory: string, { uid }: { uid?: number } = {}): Promise<Podman> {
  await mkdir(directory);
  if (uid !== undefined) await chown(directory, uid, uid);
  const at = (name: string) => join(directory, name);
  await writeFile(at('containers.conf'), CONFIGURATION);
  const log = openSync(at('podman.log'), 'a');
  const globals = [
    ...['--root', at('root'), '--runroot', at('run'), '--tmpdir', at('tmp'), '--storage-driver', 'vfs'],
    ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
  ];
  const env = {
    PATH: process.env['PATH'],
    HOME: directory,
    CONTAINERS_CONF: at('containers.conf'),
    XDG_RUNTIME_DIR: directory,
  };
  const socket = at('podman.sock');
  const service = spawn('podman', [...globals, 'system', 'service', '--time=0', `unix://${socket}`], {
    stdio: ['ignore', log, log],
    env,
    cwd: directory,
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const tail = () => readFileSync(at('podman.log'), 'utf8').split('\n').slice(-20).join('\n');
  await until(
    'podman to answer',
    () => {
      if (hasExited(service)) throw new Error(`podman has ended\n${tail()}`);
      return answersPing(socket);
    },
    { withinMs: 60_000, everyMs: 100, otherwise: tail },
  );

  async function end() {
    if (uid === undefined)
      spawnSync('podman', [...globals, 'rm', '--all', '--force', '--time', '0'], { env });
    const exited = new Promise((resolve) => service.on('exit', resolve));
    service.kill('SIGKILL');
    if (!hasExited(service)) await exited;
    await until('the rest of podman to be gone', async () => {
      const left = await processesAt(directory);
      for (const pid of left) kill(pid);
      return left.length === 0;
    });
    await removeTree(directory);
  }

  return { api: createEngineApi(socket), end };
}

/**
 * Those whose runtime directory this is. For an ordinary user the service has another half in a user name space, and leaves
 * a process there that keeps that space.
 */
async function processesAt(directory: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const variable = `\0XDG_RUNTIME_DIR=${directory}\0`;
  const isThere = async (pid: string) =>
    `\0${await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')}`.includes(variable);
  const found = await Promise.all(pids.map(isThere));
  return pids.filter((_, index) => found[index]).map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended meanwhile
  }
}

function hasExited({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** A broker in a Podman of its own that has the present set, and a watcher that knows it. */
export async function watchedInPodman(
  stage: Stage,
  options: BrokerOptions = {},
  settings: Readonly<Record<string, string>> = {},
) {
  const podman = await startPodman(join(stage.directory, 'podman'));
  stage.onEnd(podman.end);
  return watched(stage, { engine: podman.api, ...options }, settings);
}
