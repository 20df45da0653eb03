import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStateFile, parseStates } from '../../src/adapters/state-file.ts';
import type { PersistedState, PersistedStates } from '../../src/core/memory.ts';
import { makeFifo, temporaryDirectory } from '../support/directory.ts';
import { asNobody, onFullDisk } from '../support/unprivileged.ts';

const FINGERPRINT = 'a1'.repeat(32);
const LEFT = {
  applied: {
    fingerprint: FINGERPRINT,
    startedAt: '2026-03-01T11:00:00.123456789Z',
    notAfterMs: Date.UTC(2026, 4, 30, 12),
  },
  strayedAtMs: Date.UTC(2026, 2, 1, 11, 30),
  stoppedByUs: '2026-03-01T11:00:01.5Z',
  lastRestartAtMs: Date.UTC(2026, 2, 1, 11),
};
const RIGHT = {
  applied: undefined,
  strayedAtMs: undefined,
  stoppedByUs: undefined,
  lastRestartAtMs: Date.UTC(2026, 2, 2),
};
const STATE: PersistedStates = new Map<string, PersistedState>([
  ['left', LEFT],
  ['right', RIGHT],
]);
const OTHER: PersistedStates = new Map([['left', RIGHT]]);

async function statePath(): Promise<string> {
  return join(await temporaryDirectory(), 'state.json');
}

async function load(text: string | Buffer) {
  const path = await statePath();
  await writeFile(path, text);
  return createStateFile(path).load();
}

describe('load', () => {
  it('has nothing to say of a file that does not exist yet', async () => {
    expect(await createStateFile(await statePath()).load()).toEqual({ ok: true, states: new Map() });
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['an empty file', '', /is empty$/],
    ['garbage', Buffer.of(0, 0xff, 1), /holds no state of this program$/],
    ['half of a state', '{"version": 1, "brokers": {"a": {', /holds no state of this program$/],
    ['JSON that is no object', '[1]', /holds no state of this program$/],
    [
      'JSON of another program',
      '{"version": 1, "brokers": {}, "name": "x"}',
      /holds no state of this program$/,
    ],
    ['a state of a later version', '{"version": 2, "brokers": {}}', /holds no state of this program$/],
    ['a state without a version', '{"brokers": {}}', /holds no state of this program$/],
    [
      'a fingerprint that is none',
      '{"version": 1, "brokers": {"a": {"applied": {"fingerprint": "x"}}}}',
      /holds no state of this program$/,
    ],
    [
      'a restart at no date',
      '{"version": 1, "brokers": {"a": {"last_restart_at": "yesterday"}}}',
      /holds no state of this program$/,
    ],
    [
      'a restart on a day that there is not',
      '{"version": 1, "brokers": {"a": {"last_restart_at": "2026-13-01T00:00:00Z"}}}',
      /holds no state of this program$/,
    ],
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

describe('save', () => {
  it('writes what load reads, whatever the state is', async () => {
    const file = createStateFile(await statePath());
    const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
    const wallMs = fc.integer({ min: 0, max: Date.UTC(2100, 0) });
    const applied = fc.record({
      fingerprint: hex,
      startedAt: fc.option(fc.string(), { nil: undefined }),
      notAfterMs: fc.option(wallMs, { nil: undefined }),
    });
    const state = fc.record({
      applied: fc.option(applied, { nil: undefined }),
      strayedAtMs: fc.option(wallMs, { nil: undefined }),
      stoppedByUs: fc.option(fc.string(), { nil: undefined }),
      lastRestartAtMs: fc.option(wallMs, { nil: undefined }),
    });
    const states = fc
      .dictionary(fc.stringMatching(/^[a-z0-9][a-z0-9_.-]{0,7}$/), state)
      .map((each) => new Map(Object.entries(each)));
    await fc.assert(
      fc.asyncProperty(states, async (saved) => {
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
        "not_after": "2026-05-30T12:00:00.000Z"
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
    ['a FIFO', makeFifo],
  ])('takes the place of %s', async (_, make) => {
    const path = await statePath();
    await make(path);
    const file = createStateFile(path);
    await file.save(STATE);
    expect(await file.load()).toEqual({ ok: true, states: STATE });
  });

  it('overwrites what a crash has left half-written', async () => {
    const path = await statePath();
    await writeFile(`${path}.new`, '{"version": 1, "app');
    const file = createStateFile(path);
    await file.save(STATE);
    expect(await file.load()).toEqual({ ok: true, states: STATE });
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
    [
      'a directory lies in its place',
      async (path) => {
        await mkdir(path);
        return path;
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
      strayedAtMs: undefined,
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
        expect([state?.strayedAtMs, state?.lastRestartAtMs]).not.toContain(Number.NaN);
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
