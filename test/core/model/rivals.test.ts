import { describe, expect, it } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { watcherProcess } from '../../../lab/world.ts';
import {
  goesFirst,
  isWatcherContainer,
  isWatcherProcess,
  looksAfter,
  type OtherWatcher,
  targetOf,
  type WatcherContainer,
  type WatchersSeen,
  yieldsTo,
} from '../../../src/core/model/rivals.ts';

const SCRIPT = '/opt/watcher/src/main.ts';

describe('a process', () => {
  it.each<[string, string[]]>([
    ['the executable', ['/usr/bin/mosquitto-cert-watcher']],
    ['the executable of a release', ['./mosquitto-cert-watcher-linux-arm64', 'run']],
    ['with a configuration', ['mosquitto-cert-watcher', '--config', '/etc/watcher.json']],
    ['with a configuration in one word', ['mosquitto-cert-watcher', '--config=/etc/watcher.json', 'run']],
    ['an interpreter with the same script', ['/usr/bin/node', '--max-semi-space-size=1', SCRIPT]],
  ])('is a watcher: %s', (_, words) => {
    expect(isWatcherProcess(words, SCRIPT)).toBe(true);
  });

  it.each<[string, string[]]>([
    ['a look', ['mosquitto-cert-watcher', 'check']],
    ['a look with a configuration', ['mosquitto-cert-watcher', '--config', 'run', 'check']],
    ['a health check', ['/mosquitto-cert-watcher', 'healthcheck']],
    ['help', ['mosquitto-cert-watcher', '--help']],
    ['an editor', ['vim', 'mosquitto-cert-watcher']],
    ['the command that starts its container', ['docker', 'run', 'mosquitto-cert-watcher']],
    ['an interpreter with another script', ['node', '/other/main.ts']],
    ['another program', ['mosquitto-cert-watcher-exporter']],
    ['a kernel thread', []],
    ['a kernel thread, as /proc shows it', ['']],
  ])('is none: %s', (_, words) => {
    expect(isWatcherProcess(words, SCRIPT)).toBe(false);
  });
});

describe('a container', () => {
  it.each<[string, string[], boolean]>([
    ['as it is shipped', ['/mosquitto-cert-watcher'], true],
    ['with an init process', ['/sbin/tini', '--', '/mosquitto-cert-watcher', 'run'], true],
    ['that looks once', ['/mosquitto-cert-watcher', 'check'], false],
    ['of a broker', ['/usr/sbin/mosquitto', '-c', '/config/mosquitto.conf'], false],
  ])('is judged by its command: %s', (_, words, expected) => {
    expect(isWatcherContainer(words)).toBe(expected);
  });
});

describe('what a watcher restarts', () => {
  const target = (environment: Record<string, string>, words: string[] = ['mosquitto-cert-watcher']) =>
    targetOf(new Map(Object.entries(environment)), words, 'eclipse-mosquitto');

  it.each<[string, Record<string, string>, OtherWatcher['target']]>([
    ['nothing said', {}, { containers: ['eclipse-mosquitto'], label: undefined, restarts: true }],
    [
      'several',
      { MOSQUITTO_CONTAINER: '/left, right' },
      { containers: ['left', 'right'], label: undefined, restarts: true },
    ],
    ['a label', { MOSQUITTO_LABEL: 'role=edge' }, { containers: [], label: 'role=edge', restarts: true }],
    ['a service', { MOSQUITTO_SERVICE: 'mqtt' }, { containers: [], label: undefined, restarts: false }],
    [
      'a unit',
      { MOSQUITTO_UNIT: 'mosquitto' },
      { containers: [], label: undefined, unit: 'mosquitto.service', restarts: true },
    ],
    [
      'nothing, because it only looks',
      { MOSQUITTO_CONTAINER: 'a', ENABLE_RESTART: 'False' },
      { containers: ['a'], label: undefined, restarts: false },
    ],
  ])('is read from its environment: %s', (_, environment, expected) => {
    expect(target(environment)).toEqual(expected);
  });

  it('is not known where a file says it', () => {
    expect(target({}, ['mosquitto-cert-watcher', '--config', '/etc/watcher.json'])).toBeUndefined();
  });

  it.each<[string, OtherWatcher['target'], boolean | undefined]>([
    ['its name', { containers: ['other', 'broker'], label: undefined, restarts: true }, true],
    ['12 digits of its id', { containers: ['b'.repeat(12)], label: undefined, restarts: true }, true],
    ['another name', { containers: ['broker2'], label: undefined, restarts: true }, false],
    ['a label', { containers: [], label: 'role=edge', restarts: true }, undefined],
    ['nothing that could be seen', undefined, undefined],
    ['its name, without restarting it', { containers: ['broker'], label: undefined, restarts: false }, false],
  ])('may be this broker: %s', (_, its, expected) => {
    expect(looksAfter(watcherProcess(1, { target: its }), 'broker', fix.broker(0))).toBe(expected);
  });

  const ofUnit = (unit: string) => ({ containers: [], label: undefined, unit, restarts: true });
  it.each<[string, OtherWatcher['target'], boolean | undefined]>([
    ['its name', ofUnit('mosquitto.service'), true],
    ['another unit', ofUnit('other.service'), false],
    ['a container', { containers: ['mosquitto'], label: undefined, restarts: true }, false],
    ['containers with a label', { containers: [], label: 'role=edge', restarts: true }, false],
    ['nothing that could be seen', undefined, undefined],
  ])('may be this unit: %s', (_, its, expected) => {
    const other = watcherProcess(1, { target: its });
    expect(looksAfter(other, 'mosquitto.service', fix.unit(0))).toBe(expected);
  });

  it('of a unit is not this container', () => {
    const other = watcherProcess(1, { target: ofUnit('mosquitto.service') });
    expect(looksAfter(other, 'mosquitto', fix.broker(0))).toBe(false);
  });
});

describe('of two watchers', () => {
  const container = (change: Partial<WatcherContainer> = {}): WatcherContainer => ({
    kind: 'container',
    id: '5'.repeat(64),
    createdS: 1_000,
    overTcp: false,
    ...change,
  });
  const inContainer = (place: WatcherContainer): OtherWatcher => ({ ...watcherProcess(0), place });
  const host: WatchersSeen = {
    own: { process: { kind: 'process', pid: 500, startedTicks: 5_000 }, container: undefined },
    others: [],
  };
  const contained: WatchersSeen = { ...host, own: { ...host.own, container: container() } };
  const process = (pid: number, startedTicks: number, isBlind = false): OtherWatcher =>
    watcherProcess(0, { place: { kind: 'process', pid, startedTicks }, isBlind });

  it.each<[string, WatchersSeen, OtherWatcher, boolean]>([
    ['an older process goes first', host, process(900, 4_999), true],
    ['a younger process does not', host, process(100, 5_001), false],
    ['of two of the same age the smaller number does', host, process(499, 5_000), true],
    [
      'a process in a container, which cannot see this one, goes first',
      host,
      process(900, 9_000, true),
      true,
    ],
    [
      'a container goes first where this one is on the host',
      host,
      inContainer(container({ createdS: 9_000 })),
      true,
    ],
    ['an older container goes first', contained, inContainer(container({ createdS: 999 })), true],
    ['a younger container does not', contained, inContainer(container({ createdS: 1_001 })), false],
    [
      'of two of the same age the smaller id does',
      contained,
      inContainer(container({ id: '4'.repeat(64) })),
      true,
    ],
    [
      'one behind a proxy, which may see nobody, goes first',
      contained,
      inContainer(container({ createdS: 9_000, overTcp: true })),
      true,
    ],
  ])('%s', (_, seen, other, expected) => {
    expect(goesFirst(seen, other)).toBe(expected);
  });

  it('exactly one goes first, whichever looks', () => {
    const places = [
      container({ id: '1'.repeat(64) }),
      container({ id: '2'.repeat(64) }),
      container({ id: '3'.repeat(64), overTcp: true }),
      container({ id: '4'.repeat(64), createdS: 1, overTcp: true }),
    ];
    for (const one of places) {
      for (const other of places.filter((each) => each !== one)) {
        const first = goesFirst({ ...host, own: { ...host.own, container: one } }, inContainer(other));
        const second = goesFirst({ ...host, own: { ...host.own, container: other } }, inContainer(one));
        expect([first, second].toSorted()).toEqual([false, true]);
      }
    }
  });
});

describe('a watcher waits', () => {
  const draw = { name: 'eclipse-mosquitto', lot: 'mine', isAlone: true, fingerprint: 'A' };
  const own = { process: { kind: 'process', pid: 500, startedTicks: 5_000 }, container: undefined } as const;
  const seen = (...others: OtherWatcher[]): WatchersSeen => ({ own, others });
  const patience = (...args: Parameters<typeof yieldsTo>) => yieldsTo(...args)?.patienceMs ?? 0;
  const settings = fix.settings();
  const broker = fix.broker(0);

  it('for nobody where nobody was looked for, or found', () => {
    expect(yieldsTo(undefined, broker, draw, settings)).toBeUndefined();
    expect(yieldsTo(seen(), broker, draw, settings)).toBeUndefined();
  });

  it.each<[string, Partial<typeof broker>, number | undefined, number]>([
    ["the engine's default", {}, undefined, 10_000],
    ["the container's own", { stopTimeoutS: 60 }, undefined, 60_000],
    ['that of the settings', { stopTimeoutS: 60 }, 2_000, 2_000],
    ['none, which is five minutes', { stopTimeoutS: -1 }, undefined, 300_000],
  ])(
    'for another one as long as its restart may take: the grace is %s',
    (_, change, stopTimeoutMs, graceMs) => {
      const ms = patience(seen(watcherProcess(1)), { ...broker, ...change }, draw, {
        ...settings,
        stopTimeoutMs,
      });
      expect(ms).toBeGreaterThanOrEqual(graceMs + 5_000);
      expect(ms).toBeLessThanOrEqual(graceMs + 13_000);
    },
  );

  it('twice as long for two, who wait for each other', () => {
    const one = patience(seen(watcherProcess(1)), broker, draw, settings);
    expect(patience(seen(watcherProcess(1), watcherProcess(2)), broker, draw, settings)).toBe(one + 15_000);
  });

  it('by a lot that differs between watchers and from set to set', () => {
    const drawn = (lot: string, fingerprint: string) =>
      patience(seen(), broker, { ...draw, lot, isAlone: false, fingerprint }, settings);
    const lots = Array.from({ length: 40 }, (_, n) => drawn(`watcher ${n}`, 'A'));
    expect(new Set(lots).size).toBe(5);
    const sets = Array.from({ length: 40 }, (_, n) => drawn('watcher', `set ${n}`));
    expect(new Set(sets).size).toBe(5);
    expect(Math.min(...lots, ...sets)).toBe(2_000);
    expect(Math.max(...lots, ...sets)).toBe(10_000);
  });
});
