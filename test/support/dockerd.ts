/** A Docker Engine of the test's own, which may be stopped and started. Needs root and dockerd. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answersPing, createEngineApi, type EngineApi } from '../../lab/engine-api.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { until } from '../../lab/until.ts';

export interface OwnEngine {
  readonly api: EngineApi;
  start(): Promise<void>;
  /** As an operator does it. Without live restore, its containers are stopped with it. */
  stop(): Promise<void>;
  /** After it was killed by others, with its containerd, as a machine dies: it may be started again. */
  died(): Promise<void>;
  /** Stops it for good, with everything that it started. */
  end(): Promise<void>;
}

export interface DockerdOptions {
  readonly liveRestore?: boolean;
  /** of the test's own */
  readonly bridge?: string;
  /** of its command line */
  readonly args?: readonly string[];
  /** runs it: `['nsenter', …]` */
  readonly wrapper?: readonly string[];
}

/** A new engine that keeps everything in `directory`. It is not started yet, and has no network but on a `bridge`. */
export async function createDockerd(
  directory: string,
  { liveRestore = false, bridge = 'none', args: more = [], wrapper = [] }: DockerdOptions,
): Promise<OwnEngine> {
  await mkdir(directory);
  const at = (name: string) => join(directory, name);
  const socket = at('docker.sock');
  const log = openSync(at('dockerd.log'), 'a');
  // so that the machine's own settings have no say
  await writeFile(at('daemon.json'), '{}');
  // a machine's own containerd may serve it, so its containers need a name space of their own
  const namespace = `e2e-${process.pid}-${Date.now()}`;
  const args = [
    ...['--host', `unix://${socket}`, '--data-root', at('data'), '--exec-root', at('exec')],
    ...['--pidfile', at('docker.pid'), '--config-file', at('daemon.json')],
    ...['--containerd-namespace', namespace, '--containerd-plugins-namespace', `${namespace}-plugins`],
    ...[`--bridge=${bridge}`, '--iptables=false', '--ip6tables=false', `--live-restore=${liveRestore}`],
    ...more,
  ];
  let daemon: ChildProcess | undefined;

  async function start() {
    const [command = 'dockerd', ...rest] = [...wrapper, 'dockerd', ...args];
    const started = spawn(command, rest, { stdio: ['ignore', log, log] });
    daemon = started;
    const tail = () => readFileSync(at('dockerd.log'), 'utf8').split('\n').slice(-20).join('\n');
    await until(
      'dockerd to answer',
      () => {
        if (hasExited(started)) throw new Error(`dockerd has ended\n${tail()}`);
        return answersPing(socket);
      },
      { withinMs: 60_000, everyMs: 100, otherwise: tail },
    );
  }

  async function stop() {
    const stopped = daemon;
    daemon = undefined;
    if (stopped === undefined || hasExited(stopped)) return;
    const exited = new Promise((resolve) => stopped.on('exit', resolve));
    stopped.kill('SIGTERM');
    const timer = setTimeout(() => stopped.kill('SIGKILL'), 30_000);
    await exited;
    clearTimeout(timer);
  }

  async function died() {
    const dead = daemon;
    daemon = undefined;
    if (dead === undefined || hasExited(dead)) return;
    await new Promise((resolve) => dead.on('exit', resolve));
  }

  async function end() {
    await stop();
    await killLeftContainerd(at('exec/containerd/containerd.pid'));
    // with live restore it leaves the mount of its own directory behind, and where it was killed more than that
    spawnSync('umount', ['--quiet', '--recursive', at('data')]);
    spawnSync('umount', ['--quiet', at('exec/netns/default')]);
    await removeTree(directory);
  }

  return { api: createEngineApi(socket), start, stop, died, end };
}

/** dockerd takes the containerd that it started with it; if it was killed, that is left. */
async function killLeftContainerd(pidFile: string) {
  try {
    process.kill(Number(await readFile(pidFile, 'utf8')), 'SIGKILL');
  } catch {
    // gone already, as it should be
  }
}

function hasExited({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
