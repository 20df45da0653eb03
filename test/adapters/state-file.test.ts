import {
  chmod,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStateFile, parseStates } from '../../src/adapters/state-file.ts';
import type { PersistedState, PersistedStates } from '../../src/core/memory/persisted.ts';
import { makeFifo, temporaryDirectory } from '../support/directory.ts';
import { MEASURED } from '../support/measured.ts';
import { saveOften } from '../support/state-writer.ts';
import { asNobody, onFullDisk } from '../support/unprivileged.ts';

const FINGERPRINT = 'a1'.repeat(32);
const DIGEST = 'b2'.repeat(8);
const LEFT = {
  applied: {
    fingerprint: FINGERPRINT,
    startedAt: '2026-03-01T11:00:00.123456789Z',
    notAfterMs: Date.UTC(2026, 4, 30, 12),
    leaf: '0123456789abcdef',
  },
  divergedAtMs: Date.UTC(2026, 2, 1, 11, 30),
  stoppedByUs: '2026-03-01T11:00:01.5Z',
  lastRestartAtMs: Date.UTC(2026, 2, 1, 11),
};
const RIGHT = {
  applied: undefined,
  divergedAtMs: undefined,
  stoppedByUs: undefined,
  lastRestartAtMs: Date.UTC(2026, 2, 2),
};
const STATE: PersistedStates = new Map<string, PersistedState>([
  ['left', LEFT],
  ['right', RIGHT],
]);
const NONE = /holds no state of this program$/;
const OTHER: PersistedStates = new Map<string, PersistedState>([
  ['left', RIGHT],
  ['right', LEFT],
]);

async function statePath(): Promise<string> {
  return join(await temporaryDirectory(), 'state.json');
}

async function load(text: string | Buffer) {
  const path = await statePath();
  await writeFile(path, text);
  return createStateFile(path).load();
}

/** A state file of one broker with this in its entry. */
function withEntry(entry: string): string {
  return `{"version": 1, "brokers": {"a": {${entry}}}}`;
}

function withApplied(change: string): string {
  return withEntry(`"applied": {"fingerprint": "${FINGERPRINT}"${change}}`);
}

/** As an object of many levels, or nothing but an array in an array and so on. */
const DEEP = '['.repeat(500_000) + ']'.repeat(500_000);

describe('load', () => {
  it('has nothing to say of a file that does not exist yet', async () => {
    expect(await createStateFile(await statePath()).load()).toEqual({ ok: true, states: new Map() });
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['an empty file', '', /is empty$/],
    ['garbage', Buffer.of(0, 0xff, 1), NONE],
    ['half of a state', '{"version": 1, "brokers": {"a": {', NONE],
    ['JSON that is no object', '[1]', NONE],
    ['JSON of another program', '{"version": 1, "brokers": {}, "name": "x"}', NONE],
    ['a state of a later version', '{"version": 2, "brokers": {}}', NONE],
    ['a state without a version', '{"brokers": {}}', NONE],
    [
      'a fingerprint that is none',
      '{"version": 1, "brokers": {"a": {"applied": {"fingerprint": "x"}}}}',
      NONE,
    ],
    ['a restart at no date', '{"version": 1, "brokers": {"a": {"last_restart_at": "yesterday"}}}', NONE],
    [
      'a restart on a day that there is not',
      '{"version": 1, "brokers": {"a": {"last_restart_at": "2026-13-01T00:00:00Z"}}}',
      NONE,
    ],
    ['an hour for a time zone', withEntry('"last_restart_at": "2026-03-01T12:00:00+05"'), NONE],
    ['a time without a zone', withEntry('"strayed_at": "2026-03-01T12:00"'), NONE],
    ['a restart before there were computers', withEntry('"last_restart_at": "1200-01-01T00:00:00Z"'), NONE],
    ['an end that is a number', withApplied(', "not_after": 1780142400000'), NONE],
    ['a start of a thousand letters', withApplied(`, "started_at": "${'1'.repeat(1_000)}"`), NONE],
    ['the parts of a set that are none', withApplied(', "parts": {"listener 8883": "all"}'), NONE],
    [
      'a digest of a part that is none',
      withApplied(`, "parts": {"listener 8883": {"leaf": "x", "trust": "${DIGEST}"}}`),
      NONE,
    ],
    ['half of the parts of a set', withApplied(`, "parts": {"listener 8883": {"leaf": "${DIGEST}"}}`), NONE],
    [
      'the same part twice',
      withApplied(`, "parts": {"a": {"leaf": "${DIGEST}", "leaf": "${DIGEST}", "trust": "${DIGEST}"}}`),
      NONE,
    ],
    ['a leaf that is no digest', withApplied(', "leaf": "CN=edge"'), NONE],
    ['authorities without end', withApplied(`, "authorities": "${'a'.repeat(5_000)}"`), NONE],
    ['a fingerprint in capitals', withEntry(`"applied": {"fingerprint": "${'A1'.repeat(32)}"}`), NONE],
    [
      'a fingerprint with a line behind it',
      withEntry(`"applied": {"fingerprint": "${FINGERPRINT}\\n"}`),
      NONE,
    ],
    ['an entry that is an array', '{"version": 1, "brokers": {"a": []}}', NONE],
    ['brokers in an array', '{"version": 1, "brokers": [{}]}', NONE],
    ['no brokers at all', '{"version": 1}', NONE],
    [
      'a broker with a name of a thousand letters',
      `{"version": 1, "brokers": {"${'a'.repeat(1_000)}": {}}}`,
      NONE,
    ],
    [
      'more brokers than it would write',
      JSON.stringify({
        version: 1,
        brokers: Object.fromEntries(Array.from({ length: 201 }, (_, i) => [i, {}])),
      }),
      NONE,
    ],
    ['the same broker twice', '{"version": 1, "brokers": {"a": {}, "a": {}}}', NONE],
    ['the same key twice', withEntry('"stopped_by_us": "x", "stopped_by_us": "y"'), NONE],
    ['a prototype for a broker', '{"version": 1, "brokers": {"__proto__": {"x": {}}}}', NONE],
    ['a prototype in an entry', withEntry('"__proto__": {"last_restart_at": "x"}'), NONE],
    ['JSON of great depth', DEEP, NONE],
    ['an entry of great depth', withEntry(`"applied": ${DEEP}`), NONE],
    ['UTF-16', Buffer.from(withEntry(''), 'utf16le'), NONE],
    ['bytes that are no UTF-8', Buffer.from(withEntry('"stopped_by_us": "\xff"'), 'latin1'), NONE],
    ['more than 1 MiB', Buffer.alloc(1024 ** 2 + 1), /is larger than 1 MiB/],
  ])('says what is wrong with %s', async (_, text, problem) => {
    const read = await load(text);
    expect(read.ok ? 'no problem' : read.problem).toMatch(problem);
  });

  it.each<[string, (path: string) => Promise<unknown>, string]>([
    ['a directory', (path) => mkdir(path), 'is a directory, not a file'],
    ['a FIFO', makeFifo, 'is a FIFO, not a regular file'],
    ['an endless device', (path) => symlink('/dev/zero', path), 'is a device, not a regular file'],
    ['a link to itself', (path) => symlink(path, path), 'is a symbolic link that leads in a circle'],
  ])('is not blocked by %s', async (_, make, problem) => {
    const path = await statePath();
    await make(path);
    expect(await createStateFile(path).load()).toEqual({
      ok: false,
      problem: `state file ${path} ${problem}`,
    });
  });
});

describe('several sets', () => {
  const SETS = {
    ...LEFT,
    applied: {
      ...LEFT.applied,
      sets: { 'bridge cloud': FINGERPRINT, 'listener 8883': FINGERPRINT, 'listener 8884': 'none' },
      parts: { 'listener 8883': { leaf: DIGEST, trust: DIGEST, revocation: DIGEST } },
    },
  };

  it('are remembered with what each listener has loaded', async () => {
    const file = createStateFile(await statePath());
    await file.save(new Map([['left', SETS]]));
    expect(await file.load()).toEqual({ ok: true, states: new Map([['left', SETS]]) });
  });

  it('are read from a file that does not say yet what each listener has loaded', async () => {
    const read = await load(withApplied(`, "sets": {"listener 8883": "${FINGERPRINT}"}`));
    const applied = read.ok ? read.states.get('a')?.applied : undefined;
    expect(applied).toMatchObject({ sets: { 'listener 8883': FINGERPRINT } });
    expect(applied).not.toHaveProperty('parts');
  });

  it('are left out where the file could not be read again with those of all brokers', async () => {
    const name = (index: number) => `listener ${index} ${'a'.repeat(100)}`;
    const sets = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [name(index), FINGERPRINT]));
    const state = { ...LEFT, applied: { ...LEFT.applied, sets } };
    const brokers = Array.from({ length: 100 }, (_, index) => `broker-${index}`);
    const file = createStateFile(await statePath());
    await file.save(new Map(brokers.map((broker) => [broker, state])));
    expect(await file.load()).toEqual({
      ok: true,
      states: new Map(brokers.map((broker) => [broker, LEFT])),
    });
  });
});

describe('save', () => {
  it('writes what load reads, whatever the state is', async () => {
    const path = await statePath();
    const file = createStateFile(path);
    const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
    const wallMs = fc.integer({ min: 0, max: Date.UTC(2100, 0) });
    const applied = fc.record({
      fingerprint: hex,
      startedAt: fc.option(fc.string({ maxLength: 256 }), { nil: undefined }),
      notAfterMs: fc.option(wallMs, { nil: undefined }),
    });
    const state = fc.record({
      applied: fc.option(applied, { nil: undefined }),
      divergedAtMs: fc.option(wallMs, { nil: undefined }),
      stoppedByUs: fc.option(fc.string(), { nil: undefined }),
      lastRestartAtMs: fc.option(wallMs, { nil: undefined }),
    });
    const states = fc
      .dictionary(fc.stringMatching(/^[a-z0-9][a-z0-9_.-]{0,7}$/), state)
      .map((each) => new Map(Object.entries(each)));
    await fc.assert(
      fc.asyncProperty(states, async (saved) => {
        await rm(path, { force: true });
        await file.save(saved);
        expect(await file.load()).toEqual({ ok: true, states: saved });
      }),
      { numRuns: 50 },
    );
  });

  it('replaces what was saved before', async () => {
    const file = createStateFile(await statePath());
    await file.save(STATE);
    await file.save(OTHER);
    expect(await file.load()).toEqual({ ok: true, states: OTHER });
  });

  it('replaces the file as a whole, so that nobody ever reads half of one', async () => {
    const path = await statePath();
    const file = createStateFile(path);
    await file.save(STATE);
    const before = await stat(path);
    await file.save(OTHER);
    expect((await stat(path)).ino).not.toBe(before.ino);
  });

  it('writes a file for its user alone', async () => {
    const path = await statePath();
    await createStateFile(path).save(STATE);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('writes JSON that people can read', async () => {
    const path = await statePath();
    await createStateFile(path).save(STATE);
    expect(await readFile(path, 'utf8')).toBe(`{
  "version": 1,
  "brokers": {
    "left": {
      "applied": {
        "fingerprint": "${FINGERPRINT}",
        "started_at": "2026-03-01T11:00:00.123456789Z",
        "not_after": "2026-05-30T12:00:00.000Z",
        "leaf": "0123456789abcdef"
      },
      "strayed_at": "2026-03-01T11:30:00.000Z",
      "stopped_by_us": "2026-03-01T11:00:01.5Z",
      "last_restart_at": "2026-03-01T11:00:00.000Z"
    },
    "right": {
      "last_restart_at": "2026-03-02T00:00:00.000Z"
    }
  }
}
`);
  });

  it.each<[string, (path: string) => Promise<unknown>]>([
    ['garbage', (path) => writeFile(path, 'garbage')],
    ['an empty file', (path) => writeFile(path, '')],
    ['more than 1 MiB', (path) => writeFile(path, Buffer.alloc(1024 ** 2 + 1))],
  ])('takes the place of %s', async (_, make) => {
    const path = await statePath();
    await make(path);
    const file = createStateFile(path);
    await file.save(STATE);
    expect(await file.load()).toEqual({ ok: true, states: STATE });
  });

  it.each<[string, (path: string) => Promise<unknown>, string]>([
    ['a FIFO', makeFifo, 'is a FIFO, not a regular file'],
    ['a directory', (path) => mkdir(path), 'is a directory, not a file'],
    ['a device behind a link', (path) => symlink('/dev/full', path), 'is a device, not a regular file'],
    ['a link to itself', (path) => symlink(path, path), 'is a symbolic link that leads in a circle'],
  ])('leaves %s where it is, and says so', async (_, make, problem) => {
    const path = await statePath();
    await make(path);
    const before = await lstat(path);
    expect([await createStateFile(path).save(STATE), (await lstat(path)).ino]).toEqual([
      { ok: false, problem: `state file ${path} ${problem}` },
      before.ino,
    ]);
  });

  it('keeps a state of a thousand brokers as far as it can be read again', async () => {
    const file = createStateFile(await statePath());
    const names = Array.from({ length: 1_000 }, (_, index) => `broker-${index}`);
    const full = { ...LEFT, applied: { ...LEFT.applied, authorities: 'a'.repeat(4_096) } };
    await file.save(new Map(names.map((name) => [name, full])));
    expect(await file.load()).toEqual({
      ok: true,
      states: new Map(names.slice(0, 200).map((name) => [name, full])),
    });
  });

  it.each<[string, Partial<PersistedState>]>([
    ['a moment that is none', { divergedAtMs: Number.NaN }],
    ['a moment that no calendar has', { lastRestartAtMs: Number.POSITIVE_INFINITY }],
    ['a start in too many words', { stoppedByUs: 'x'.repeat(10_000) }],
  ])('leaves out %s', async (_, change) => {
    const file = createStateFile(await statePath());
    await file.save(new Map([['left', { ...RIGHT, ...change }]]));
    const [[key]] = Object.entries(change) as [[keyof PersistedState, unknown]];
    expect(await file.load()).toEqual({
      ok: true,
      states: new Map([['left', { ...RIGHT, [key]: undefined }]]),
    });
  });

  describe('through a link', () => {
    async function linked(target: (directory: string) => string) {
      const path = await statePath();
      const directory = join(path, '..');
      await mkdir(join(directory, 'volume'));
      await symlink(target(directory), path);
      return { path, directory, file: createStateFile(path) };
    }

    it.each([
      ['that is relative', () => 'volume/state.json'],
      ['that is absolute', (directory: string) => join(directory, 'volume/state.json')],
    ])('%s replaces what it leads to', async (_, target) => {
      const { directory, file } = await linked(target);
      await file.save(STATE);
      await file.save(OTHER);
      expect(await createStateFile(join(directory, 'volume/state.json')).load()).toEqual({
        ok: true,
        states: OTHER,
      });
    });

    it('keeps the link', async () => {
      const { path, file } = await linked(() => 'volume/state.json');
      await file.save(STATE);
      expect(await readlink(path)).toBe('volume/state.json');
    });

    it('leaves nothing beside the link', async () => {
      const { directory, file } = await linked(() => 'volume/state.json');
      await file.save(STATE);
      expect(await readdir(directory)).toEqual(['state.json', 'volume']);
    });

    it.runIf(process.getuid?.() === 0)('does not follow one that another user has put there', async () => {
      const { path, directory, file } = await linked(() => 'volume/state.json');
      await writeFile(join(directory, 'volume/state.json'), 'a victim');
      await lchown(path, 65_534, 65_534);
      expect([await file.save(STATE), await readFile(join(directory, 'volume/state.json'), 'utf8')]).toEqual([
        { ok: false, problem: `state file ${path} is a symbolic link that user 65534 has put there` },
        'a victim',
      ]);
    });
  });

  it.each<[string, (victim: string, trap: string) => Promise<unknown>]>([
    ['a link to a victim', (victim, trap) => symlink(victim, trap)],
    ['a FIFO', (_, trap) => makeFifo(trap)],
  ])('is not caught by %s beside it', async (_, make) => {
    const path = await statePath();
    const victim = join(path, '../victim');
    await writeFile(victim, 'a victim');
    await make(victim, `${path}.new`);
    expect([await createStateFile(path).save(STATE), await readFile(victim, 'utf8')]).toEqual([
      { ok: true },
      'a victim',
    ]);
  });

  describe('beside what killed predecessors have left', () => {
    const LONG_AGO = new Date(Date.UTC(2026, 0));
    const HALF = 'state.json.0123456789abcdef.new';

    async function leftAfterSave(make: (directory: string) => Promise<unknown>) {
      const path = await statePath();
      await make(join(path, '..'));
      await createStateFile(path).save(STATE);
      return readdir(join(path, '..'));
    }

    it('removes it', async () => {
      const left = await leftAfterSave(async (directory) => {
        await writeFile(join(directory, HALF), '{"version": 1, "app');
        await utimes(join(directory, HALF), LONG_AGO, LONG_AGO);
      });
      expect(left).toEqual(['state.json']);
    });

    it('leaves what somebody may still be writing', async () => {
      const left = await leftAfterSave((directory) =>
        writeFile(join(directory, HALF), '{"version": 1, "app'),
      );
      expect(left).toContain(HALF);
    });

    it.each([
      'state.json.new',
      'state.json.0123456789abcdef.new.old',
      'state.json.0123456789ABCDEF.new',
      'other.json.0123456789abcdef.new',
    ])('leaves the file %s of others', async (name) => {
      const left = await leftAfterSave(async (directory) => {
        await writeFile(join(directory, name), '');
        await utimes(join(directory, name), LONG_AGO, LONG_AGO);
      });
      expect(left).toContain(name);
    });

    it('leaves what is no regular file', async () => {
      const left = await leftAfterSave(async (directory) => {
        await mkdir(join(directory, HALF));
        await utimes(join(directory, HALF), LONG_AGO, LONG_AGO);
      });
      expect(left).toContain(HALF);
    });
  });

  it.each<[string, (path: string) => Promise<string>]>([
    ['the directory does not exist', async (path) => join(path, 'none', 'state.json')],
    [
      'the directory is a file',
      async (path) => {
        await writeFile(path, 'x');
        return join(path, 'state.json');
      },
    ],
  ])('says that it cannot when %s', async (_, make) => {
    const path = await make(await statePath());
    expect(await createStateFile(path).save(STATE)).toEqual({
      ok: false,
      problem: expect.stringMatching(/^state file \S+ cannot be written: E[A-Z]+: /),
    });
  });

  it('leaves nothing lying about when it cannot', async () => {
    const path = await statePath();
    await mkdir(path);
    await createStateFile(path).save(STATE);
    expect(await readdir(join(path, '..'))).toEqual(['state.json']);
  });

  it('says the same each time that it cannot', async () => {
    const path = await statePath();
    await chmod(join(path, '..'), 0o777);
    const say = () => onFullDisk('save', { path, states: [...STATE] });
    expect(await say()).toEqual(await say());
  });

  it('says that it cannot for a user without the right to write to the directory', async () => {
    const path = await statePath();
    await chmod(join(path, '..'), 0o555);
    expect(await asNobody('save', { path, states: [...STATE] })).toMatchObject({
      ok: false,
      problem: expect.stringContaining('EACCES'),
    });
  });

  describe('on a full disk', () => {
    async function fullDisk() {
      const path = await statePath();
      await chmod(join(path, '..'), 0o777);
      const file = createStateFile(path);
      await file.save(STATE);
      return { path, file, written: await onFullDisk('save', { path, states: [...OTHER] }) };
    }

    it('says that it cannot', async () => {
      expect((await fullDisk()).written).toMatchObject({
        ok: false,
        problem: expect.stringContaining('EFBIG'),
      });
    });

    it('keeps what was saved before', async () => {
      expect(await (await fullDisk()).file.load()).toEqual({ ok: true, states: STATE });
    });

    it('leaves nothing half-written', async () => {
      expect(await readdir(join((await fullDisk()).path, '..'))).toEqual(['state.json']);
    });
  });
});

describe('parseStates', () => {
  it('reads a state in which nothing has happened yet', () => {
    expect(parseStates('{"version": 1, "brokers": {"a": {}}}')?.get('a')).toEqual({
      applied: undefined,
      divergedAtMs: undefined,
      stoppedByUs: undefined,
      lastRestartAtMs: undefined,
    });
  });

  it('never yields a moment that is no number', () => {
    const date = fc.stringMatching(/^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z$/);
    fc.assert(
      fc.property(date, (text) => {
        const broker = `{"strayed_at": "${text}", "last_restart_at": "${text}"}`;
        const state = parseStates(`{"version": 1, "brokers": {"a": ${broker}}}`)?.get('a');
        expect([state?.divergedAtMs, state?.lastRestartAtMs]).not.toContain(Number.NaN);
      }),
    );
  });

  it('never throws, whatever the file holds', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseStates(text)).toBeUndefined();
      }),
    );
  });
});

describe('a state file that several watchers share', () => {
  const lastRestarts = async (path: string) => {
    const read = await createStateFile(path).load();
    if (!read.ok) throw new Error(read.problem);
    return Object.fromEntries([...read.states].map(([name, state]) => [name, state.lastRestartAtMs]));
  };
  const restarted = (ms: number): PersistedState => ({ ...RIGHT, lastRestartAtMs: ms });

  it('loses nothing of any of them, however often they save at the same time', async () => {
    const path = await statePath();
    await Promise.all(['left', 'right', 'third'].map((name) => saveOften(path, name, 60)));
    expect(await lastRestarts(path)).toEqual({ left: 60, right: 60, third: 60 });
    expect(await readdir(join(path, '..'))).toEqual(['state.json']);
  });

  it('keeps what another one has written since it was loaded', async () => {
    const path = await statePath();
    const file = createStateFile(path);
    await file.save(new Map([['left', restarted(1)]]));
    await createStateFile(path).save(new Map([['right', restarted(2)]]));
    await file.save(new Map([['left', restarted(3)]]), new Map([['right', restarted(0)]]));
    expect(await lastRestarts(path)).toEqual({ left: 3, right: 2 });
  });

  it('keeps what was loaded of others where the file has become unreadable', async () => {
    const path = await statePath();
    await writeFile(path, 'garbage');
    await createStateFile(path).save(new Map([['left', restarted(1)]]), new Map([['right', restarted(2)]]));
    expect(await lastRestarts(path)).toEqual({ left: 1, right: 2 });
  });

  it.each<[string, (lock: string) => Promise<unknown>, number]>([
    ['that a killed watcher has left', (lock) => writeFile(lock, `${hostname()} 4194305\n`), 500],
    [
      'that a predecessor with our number has left',
      (lock) => writeFile(lock, `${hostname()} ${process.pid}\n`),
      500,
    ],
    ['of another host that never ends', (lock) => writeFile(lock, 'elsewhere 17\n'), 4_000],
    ['that is a directory', (lock) => mkdir(lock), 4_000],
    ['that is a FIFO', (lock) => makeFifo(lock), 4_000],
    ['that leads to a victim', (lock) => symlink('/etc/hostname', lock), 4_000],
  ])('is written in spite of a lock %s', MEASURED, async (_, make, withinMs) => {
    const path = await statePath();
    await make(`${path}.lock`);
    const began = performance.now();
    expect(await createStateFile(path).save(STATE)).toEqual({ ok: true });
    expect(performance.now() - began).toBeLessThan(withinMs);
    expect(await createStateFile(path).load()).toEqual({ ok: true, states: STATE });
  });
});
