/** Other watchers among the processes of this machine, as far as /proc shows them. proc(5) */

import { constants } from 'node:fs';
import { isWatcherProcess, type OtherWatcher, targetOf, type WatcherProcess } from '../core/model/rivals.ts';
import { close, open, readdir, read as readOn } from '../system/file-calls.ts';

export interface ProcessesSeen {
  readonly own: WatcherProcess;
  /** without this process */
  readonly others: readonly SeenProcess[];
}

export interface SeenProcess extends OtherWatcher {
  /** the id of the container that it is in, if the names of its cgroups show it */
  readonly containerId: string | undefined;
}

/** What to search for. */
export interface ProcessSearch {
  /** the path that an interpreter runs as this program */
  readonly script: string | undefined;
  /** what a watcher without settings restarts */
  readonly byDefault: string;
  /** `/proc` by default */
  readonly proc?: string;
}

/** A machine has a few hundred processes; beyond this number the rest is ignored. */
const MAX_PROCESSES = 4_096;

/** For files in which the kernel itself describes a process. */
const MAX_FACTS_BYTES = 8 * 1024;

/** Only the kernel bounds arguments and environments; what is searched for is in the first words. */
const MAX_BYTES = 128 * 1024;

/**
 * The kernel's name for a watcher: Node.js names its main thread, otherwise the first 15 characters of the executable.
 */
const NAMES = ['MainThread', 'mosquitto-cert-'];

/** Stopped, dead, or not yet reaped by its parent: it restarts nothing. */
const IDLE_STATES = new Set(['T', 't', 'Z', 'X', 'x']);

/**
 * Finds them. Without /proc, or if it hides the processes of others, it finds none; it never rejects. It first reads
 * the short name of a process, which, unlike its arguments, never waits for the memory of that process.
 */
export async function findWatcherProcesses({
  script,
  byDefault,
  proc = '/proc',
}: ProcessSearch): Promise<ProcessesSeen> {
  const own = {
    kind: 'process',
    pid: process.pid,
    startedTicks: (await statOf(`${proc}/self`))?.startedTicks ?? 0,
  } as const;
  const ownName = await read(`${proc}/self/comm`);
  const entries = await readdir(proc).catch(() => []);
  const pids = entries.filter((name) => /^\d+$/.test(name)).slice(0, MAX_PROCESSES);
  const others: SeenProcess[] = [];
  for (const pid of pids) {
    if (Number(pid) === process.pid) continue;
    const name = await read(`${proc}/${pid}/comm`);
    if (name !== ownName && !NAMES.some((each) => name.startsWith(each))) continue;
    const found = await look(`${proc}/${pid}`, Number(pid), { script, byDefault });
    if (found !== undefined) others.push(found);
  }
  return { own, others };
}

async function look(
  path: string,
  pid: number,
  { script, byDefault }: ProcessSearch,
): Promise<SeenProcess | undefined> {
  const words = (await read(`${path}/cmdline`, MAX_BYTES)).split('\0').slice(0, -1);
  if (!isWatcherProcess(words, script)) return undefined;
  const stat = await statOf(path);
  // it has ended meanwhile, or is idle
  if (stat === undefined || IDLE_STATES.has(stat.state)) return undefined;
  const environment = await read(`${path}/environ`, MAX_BYTES);
  return {
    name: `process ${pid}`,
    place: { kind: 'process', pid, startedTicks: stat.startedTicks },
    isBlind: await isNested(path),
    target: environment === '' ? undefined : targetOf(variablesIn(environment), words, byDefault),
    containerId: /[0-9a-f]{64}/.exec(await read(`${path}/cgroup`))?.[0],
  };
}

/**
 * The name, in brackets, may contain anything; after the last bracket come the state and 18 more fields before the
 * start.
 */
async function statOf(path: string): Promise<{ state: string; startedTicks: number } | undefined> {
  const text = await read(`${path}/stat`);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startedTicks = Number(fields[19]);
  return fields[0] === undefined || Number.isNaN(startedTicks)
    ? undefined
    : { state: fields[0], startedTicks };
}

/** In a nested PID namespace, from which this process cannot be seen: the process has another number there. */
async function isNested(path: string): Promise<boolean> {
  const [, numbers = ''] = /^NSpid:\t(.*)$/m.exec(await read(`${path}/status`)) ?? [];
  return numbers.split('\t').length > 1;
}

function variablesIn(environment: string): ReadonlyMap<string, string> {
  return new Map(
    environment.split('\0').map((entry) => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), entry.slice(at + 1)] as const;
    }),
  );
}

/** The useful part of a /proc file; empty if it may not be read, or has gone. */
async function read(path: string, maxBytes = MAX_FACTS_BYTES): Promise<string> {
  let file: number | undefined;
  try {
    file = await open(path, constants.O_RDONLY);
    const bytes = Buffer.allocUnsafe(maxBytes);
    let size = 0;
    for (;;) {
      // these files report no size, and are read a page at a time
      const bytesRead = await readOn(file, bytes, size, null);
      size += bytesRead;
      if (bytesRead === 0 || size === maxBytes) return bytes.toString('utf8', 0, size);
    }
  } catch {
    return '';
  } finally {
    if (file !== undefined) await close(file);
  }
}
