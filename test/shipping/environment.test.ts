/** With a real program: the Node.js that runs this test, which is the one that is shipped. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { segmentsOf } from '../../scripts/shipping/elf.ts';
import { TAKEN_AWAY, withoutForeignEnvironment } from '../../scripts/shipping/environment.ts';
import { TABLE } from '../../src/config/table.ts';

const isElf = process.platform === 'linux';

/** Bytes of the file's header, and of as many of segments as a program has at most. */
const HEADERS = 64 + 16 * 56;

const directory = mkdtempSync(join(tmpdir(), 'environment-'));
const file = join(directory, 'node');
afterAll(() => rmSync(directory, { recursive: true }));

/** Which variables are left of these, in their order, by the account of the program itself. */
function leftOf(environment: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const text = execFileSync(file, ['-p', 'JSON.stringify(process.env)'], {
    encoding: 'utf8',
    env: environment,
  });
  return JSON.parse(text);
}

/** The same by the rule. */
function isTakenAway(name: string): boolean {
  return TAKEN_AWAY.some((beginning) => `${name}=`.startsWith(beginning));
}

describe.skipIf(!isElf)(
  `a runtime with a clean environment${isElf ? '' : ' [skipped: not on Linux]'}`,
  () => {
    beforeAll(() => {
      writeFileSync(file, withoutForeignEnvironment(readFileSync(process.execPath)), { mode: 0o755 });
    });

    test.each(TAKEN_AWAY)('does not see %s', (beginning) => {
      const name = beginning.endsWith('=') ? beginning.slice(0, -1) : `${beginning}X`;
      expect(leftOf({ A: '1', [name]: 'x', Z: '2' })).toEqual({ A: '1', Z: '2' });
    });

    test.each([
      'NODE',
      'NODE1',
      'node_env',
      'XNODE_DEBUG',
      'UV',
      'FORCE_COLORS',
      'NO_COLOR',
      'N',
      'a b',
      'LONG'.repeat(1_000),
    ])('sees %s', (name) => {
      expect(leftOf({ NODE_A: 'x', [name]: '1', NODE_B: 'x' })).toEqual({ [name]: '1' });
    });

    test('sees every other variable as it is, with whatever value', () => {
      const others = { TZ: 'UTC', PATH: '/bin', EMPTY: '', SIGNS: 'NODE_DEBUG=a=b\nNODE_X=1', UMLAUT: 'ü' };
      expect(leftOf({ ...others, NODE_X: 'a', UV_X: 'b' })).toEqual(others);
    });

    test.each([[{}], [{ NODE_OPTIONS: '--nonsense' }]])(
      'starts with an environment of nothing else: %j',
      (environment) => {
        expect(leftOf(environment)).toEqual({});
      },
    );

    test('goes on with a thousand variables', () => {
      const names = Array.from({ length: 1_000 }, (_, index) => [
        `${index % 2 ? 'NODE' : 'KEPT'}_${index}`,
        'x',
      ]);
      expect(Object.keys(leftOf(Object.fromEntries(names)))).toHaveLength(500);
    });

    test('has the same bytes but for its headers and what was nothing before', () => {
      const before = readFileSync(process.execPath);
      const after = withoutForeignEnvironment(before);
      const overwritten: number[] = [];
      for (let at = HEADERS; at < before.length; at++) {
        if (before[at] !== 0 && before[at] !== after[at]) overwritten.push(at);
      }
      expect([after.length, overwritten]).toEqual([before.length, []]);
    });

    test('is not made twice into the same room', () => {
      const once = withoutForeignEnvironment(readFileSync(process.execPath));
      const twice = withoutForeignEnvironment(once);
      writeFileSync(join(directory, 'twice'), twice, { mode: 0o755 });
      const text = execFileSync(join(directory, 'twice'), ['-p', '1'], {
        env: { NODE_CHANNEL_FD: 'x' },
        encoding: 'utf8',
      });
      expect(text).toBe('1\n');
    });

    test('is refused where there is no room', () => {
      const full = Buffer.from(readFileSync(process.execPath));
      for (const { header } of segmentsOf(full)) header.writeUInt32LE(0, 4);
      expect(() => withoutForeignEnvironment(full)).toThrow(/has no room/);
    });
  },
);

test('what is no program is refused', () => {
  expect(() => withoutForeignEnvironment(Buffer.from('#!/bin/sh\nexit 0\n'))).toThrow(
    'not a 64-bit little-endian ELF file',
  );
});

describe('what is taken away', () => {
  /** Read by the runtime, and harmless here. */
  const JUDGED = {
    NO_COLOR: 'wanted',
    TZ: 'the C library has it; everything is said in UTC',
    HOME: 'of the C library, and of a REPL',
    TERM: 'of terminals',
    TEMP: 'a directory for what is never written',
    TMP: 'the same',
    HTTP_PROXY: 'only with NODE_USE_ENV_PROXY',
    HTTPS_PROXY: 'the same',
    NO_PROXY: 'the same',
    http_proxy: 'the same',
    https_proxy: 'the same',
    no_proxy: 'the same',
    SystemRoot: 'Windows',
    USERPROFILE: 'Windows',
    comspec: 'Windows',
    windir: 'Windows',
    __MINIMATCH_TESTING_PLATFORM__: 'of fs.glob, which is not used',
  } as const;

  const documented = execFileSync(process.execPath, ['--help'], { encoding: 'utf8' }).split(
    'Environment variables:',
  )[1];
  const read = execFileSync(
    process.execPath,
    [
      '-p',
      'Object.values(process.binding("natives")).flatMap((code) => code?.match(/\\bprocess\\.env\\.\\w+/g) ?? []).join()',
    ],
    { encoding: 'utf8', maxBuffer: 1e7 },
  );
  const names = [
    ...(documented?.matchAll(/^([A-Z_0-9]+)\b/gm) ?? []),
    ...read.trim().matchAll(/process\.env\.(\w+)/g),
  ].map(([, name = '']) => name);

  test('is told by the runtime', () => {
    expect(names).toEqual(expect.arrayContaining(['NODE_EXTRA_CA_CERTS', 'NODE_CHANNEL_FD', 'TZ']));
  });

  test('is every variable that the runtime documents or reads, but for those that were judged', () => {
    const unjudged = [...new Set(names)].filter((name) => !isTakenAway(name) && !(name in JUDGED));
    expect(unjudged).toEqual([]);
  });

  test('is no setting of this program, and nothing that it needs of its surroundings', () => {
    const ours = [
      ...Object.values(TABLE).map(({ name }) => name),
      ...[
        'TZ',
        'PATH',
        'HOME',
        'HOSTNAME',
        'NO_COLOR',
        'NOTIFY_SOCKET',
        'WATCHDOG_USEC',
        'WATCHDOG_PID',
        'JOURNAL_STREAM',
      ],
      ...[
        'MALLOC_ARENA_MAX',
        'DOCKER_HOST',
        'DOCKER_SOCK',
        'LD_LIBRARY_PATH',
        'LANG',
        'LC_ALL',
        'RES_OPTIONS',
      ],
    ];
    expect(ours.filter(isTakenAway)).toEqual([]);
  });
});
