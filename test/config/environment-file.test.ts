import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseEnvironmentFile } from '../../src/config/environment-file.ts';
import { loadSettings } from '../../src/config/load.ts';

async function load(text: string, environment: Readonly<Record<string, string>> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'environment-file-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, 'watcher'), text);
  const loaded = await loadSettings(environment, undefined, join(directory, 'watcher'));
  if (loaded.ok) return loaded.settings;
  return loaded.problems.map((problem) => problem.replace(`${directory}/`, ''));
}

describe('a file of NAME=value lines', () => {
  it.each([
    ['A=b', 'b'],
    ['A=', ''],
    ['  A= b c ', 'b c'],
    ['A=b=c', 'b=c'],
    ['A="b c"', 'b c'],
    ["A='b \"c'", 'b "c'],
    ['A="b \\"c\\" \\$d"', 'b "c" $d'],
    ['A=b\\ c', 'b c'],
    ['A=b\r', 'b'],
    ['A=b\nA=c', 'c'],
    ['# A=b\n;\n\nA=c', 'c'],
  ])('is read as systemd reads it: %j', (text, value) => {
    expect(parseEnvironmentFile(text)).toEqual({ ok: true, values: new Map([['A', value]]) });
  });

  it.each([['A=b\nexport C=d'], ['A=b\nnonsense'], ['A=b\nC="d'], ["A=b\nC='d'e"], ['A=b\nC=d\\']])(
    'has a wrong line in %j',
    (text) => {
      expect(parseEnvironmentFile(text)).toEqual({ ok: false, line: 2 });
    },
  );

  it('holds, and the environment wins', async () => {
    const text = '# settings\nUPSTREAM_ADDR=broker.example.com\nCERT_DIR=/a\nCA_CERT_FILE=\n';
    expect(await load(text, { CERT_DIR: '/b' })).toMatchObject({ certDir: '/b', caCertFile: 'ca.crt' });
  });

  it('may hold what is for somebody else, but no setting that is misspelt', async () => {
    const text = 'ENABLE_TLS_PROBE=false\nMALLOC_ARENA_MAX=1\n';
    expect(await load(text)).toMatchObject({ probeEnabled: false });
    expect(await load(`${text}CERT_DRI=/a\n`)).toEqual([
      '--env-file watcher: unknown key "CERT_DRI"; did you mean CERT_DIR?',
    ]);
  });

  it('is refused as a whole for a wrong line, of which nothing is shown', async () => {
    const problems = await load('ENABLE_TLS_PROBE=false\nNOTIFY_URL="https://s3cret\n');
    expect(problems).toContain('--env-file watcher: line 2 is not NAME=value');
    expect(JSON.stringify(problems)).not.toContain('s3cret');
  });

  it('never throws, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('A', '=', '"', "'", '\\', '\n', ' ', '#') }), (text) => {
        expect(parseEnvironmentFile(text)).toHaveProperty('ok');
      }),
    );
  });
});
