/** With a real program: the Node.js that runs this test, which is the one that is shipped. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { withoutSymbols } from '../../scripts/shipping/strip.ts';

const isElf = process.platform === 'linux';

describe.skipIf(!isElf)(`a runtime without symbols${isElf ? '' : ' [skipped: not on Linux]'}`, () => {
  test('is smaller, and runs as before', () => {
    const directory = mkdtempSync(join(tmpdir(), 'stripped-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const whole = readFileSync(process.execPath);
    const stripped = withoutSymbols(whole);
    const file = join(directory, 'node');
    writeFileSync(file, stripped, { mode: 0o755 });
    expect(stripped.length).toBeLessThan(whole.length * 0.95);
    const script =
      'new Intl.NumberFormat("de").format(1e6) + require("crypto").createHash("md5").digest("hex")';
    expect(execFileSync(file, ['-p', script], { encoding: 'utf8' })).toBe(
      '1.000.000d41d8cd98f00b204e9800998ecf8427e\n',
    );
  });

  test('has nothing more to lose', () => {
    const stripped = withoutSymbols(readFileSync(process.execPath));
    expect(withoutSymbols(stripped).equals(stripped)).toBe(true);
  });
});

test('what is no program is refused', () => {
  expect(() => withoutSymbols(Buffer.from('#!/bin/sh\nexit 0\n'))).toThrow(
    'not a 64-bit little-endian ELF file',
  );
});
