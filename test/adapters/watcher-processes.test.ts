import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findWatcherProcesses } from '../../src/adapters/watcher-processes.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { MEASURED } from '../support/measured.ts';

interface FakeProcess {
  readonly comm?: string;
  readonly words?: readonly string[];
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly state?: string;
  readonly startedTicks?: number;
  readonly numbers?: string;
  readonly cgroup?: string;
}

const ID = 'c0ffee'.padEnd(64, '0');

/** A /proc with this process and these others, as proc(5) describes it. */
async function proc(others: Readonly<Record<string, FakeProcess>>): Promise<string> {
  const directory = await temporaryDirectory();
  await add(directory, 'self', { comm: 'MainThread', startedTicks: 7_000 });
  for (const [pid, process] of Object.entries(others)) await add(directory, pid, process);
  return directory;
}

async function add(directory: string, pid: string, fake: FakeProcess): Promise<void> {
  const { comm = 'MainThread', words = ['mosquitto-cert-watcher'], environment = {}, cgroup = '0::/' } = fake;
  const { state = 'S', startedTicks = 5_000, numbers = pid } = fake;
  const path = join(directory, pid);
  await mkdir(path);
  const lines = (texts: readonly string[]) => texts.map((text) => `${text}\0`).join('');
  const before = Array.from({ length: 18 }, (_, n) => n).join(' ');
  await writeFile(join(path, 'comm'), `${comm}\n`);
  await writeFile(join(path, 'cmdline'), lines(words));
  await writeFile(join(path, 'environ'), lines(Object.entries(environment).map((each) => each.join('='))));
  await writeFile(join(path, 'stat'), `${pid} (a ) name) ${state} ${before} ${startedTicks} 1 2 3\n`);
  await writeFile(join(path, 'status'), `Name:\tx\nNSpid:\t${numbers}\nThreads:\t1\n`);
  await writeFile(join(path, 'cgroup'), `${cgroup}\n`);
}

async function found(others: Readonly<Record<string, FakeProcess>>) {
  const seen = await findWatcherProcesses({
    script: '/opt/main.ts',
    byDefault: 'eclipse-mosquitto',
    proc: await proc(others),
  });
  return seen.others;
}

describe('a look at the processes', () => {
  it('finds another watcher, with its age and what it restarts', async () => {
    const environment = { PATH: '/bin', MOSQUITTO_CONTAINER: 'left' };
    expect(await found({ 4711: { environment, startedTicks: 4_999 } })).toEqual([
      {
        name: 'process 4711',
        place: { kind: 'process', pid: 4711, startedTicks: 4_999 },
        isBlind: false,
        target: { containers: ['left'], label: undefined, restarts: true },
        containerId: undefined,
      },
    ]);
  });

  it('knows one in a container, and that it cannot see this one', async () => {
    const [watcher] = await found({
      4711: { numbers: '4711\t1', cgroup: `0::/system.slice/docker-${ID}.scope` },
    });
    expect(watcher).toMatchObject({ isBlind: true, containerId: ID });
  });

  it('does not know what is restarted by one whose environment may not be read', async () => {
    const directory = await proc({ 4711: {} });
    await writeFile(join(directory, '4711', 'environ'), '');
    const { others } = await findWatcherProcesses({ script: undefined, byDefault: 'x', proc: directory });
    expect(others).toMatchObject([{ target: undefined }]);
  });

  it.each<[string, FakeProcess]>([
    ['another program', { comm: 'sshd', words: ['sshd: user'] }],
    ['another program with the same interpreter', { words: ['node', '/other/main.ts'] }],
    ['a look', { words: ['mosquitto-cert-watcher', 'check'] }],
    ['one that was stopped', { state: 'T' }],
    ['one that has ended', { state: 'Z' }],
  ])('passes over %s', async (_, process) => {
    expect(await found({ 4711: process })).toEqual([]);
  });

  it('never opens the arguments of a program with another name: that can hang', async () => {
    const directory = await proc({ 4711: { comm: 'postgres' } });
    const { others } = await findWatcherProcesses({ script: undefined, byDefault: 'x', proc: directory });
    expect(others).toEqual([]);
  });

  it('passes over this process, and what ends while it looks', async () => {
    const directory = await proc({ [process.pid]: {} });
    await mkdir(join(directory, '99'));
    const { own, others } = await findWatcherProcesses({
      script: undefined,
      byDefault: 'x',
      proc: directory,
    });
    expect({ own, others }).toEqual({
      own: { kind: 'process', pid: process.pid, startedTicks: 7_000 },
      others: [],
    });
  });

  it('finds nobody without a /proc', async () => {
    const { others } = await findWatcherProcesses({ script: undefined, byDefault: 'x', proc: '/none' });
    expect(others).toEqual([]);
  });

  it('reads as much of an environment as is worth reading', async () => {
    const [watcher] = await found({
      4711: { environment: { MOSQUITTO_CONTAINER: 'a', X: 'x'.repeat(4_000_000) } },
    });
    expect(watcher?.target?.containers).toEqual(['a']);
  });

  it.skipIf(process.platform !== 'linux')(
    'takes a few milliseconds for the processes of this machine',
    MEASURED,
    async () => {
      const began = performance.now();
      const { own } = await findWatcherProcesses({ script: '/none', byDefault: 'x' });
      expect(own.startedTicks).toBeGreaterThan(0);
      expect(performance.now() - began).toBeLessThan(2_000);
    },
  );
});
