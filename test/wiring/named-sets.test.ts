import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import type { FilesObservation } from '../../src/core/model/files.ts';
import { createNamedSets } from '../../src/wiring/named-sets.ts';
import { temporaryDirectory } from '../support/directory.ts';

const WINDOW_MS = 10_000;
const CONFIGURATION = 'listener 8883\ncertfile /certs/tls.crt\nkeyfile /certs/tls.key\n';
const BROKEN = `${CONFIGURATION}connection third\nbridge_insecure perhaps\n`;

/** A configuration that its reader has just been created for. */
async function configuration(text: string) {
  const path = join(await temporaryDirectory(), 'mosquitto.conf');
  await writeFile(path, text);
  const settings = fix.settings({ mosquittoConf: path, stabilityWindowMs: WINDOW_MS });
  const { certFiles } = await createNamedSets(settings, path);
  const problemOf = ({ conf }: FilesObservation) => conf?.problem?.text;
  return {
    write: (next: string) => writeFile(path, next),
    problemAt: async (monoMs: number) => problemOf(await certFiles.observe(monoMs)),
  };
}

describe('a configuration that cannot be read', () => {
  it('is told at once where it never could be', async () => {
    const { problemAt } = await configuration(BROKEN);
    expect(await problemAt(0)).toMatch(/bridge_insecure without true or false/);
  });

  it('is not told while it may still be being written', async () => {
    const { write, problemAt } = await configuration(CONFIGURATION);
    await problemAt(0);
    await write('');
    expect(await problemAt(1_000)).toBeUndefined();
    await write(CONFIGURATION);
    expect(await problemAt(2_000)).toBeUndefined();
    await write(BROKEN);
    expect(await problemAt(WINDOW_MS + 1_000)).toBeUndefined();
  });

  it('is told once it has been so for the stability window', async () => {
    const { write, problemAt } = await configuration(CONFIGURATION);
    await problemAt(0);
    await write(BROKEN);
    await problemAt(1_000);
    expect(await problemAt(1_000 + WINDOW_MS)).toMatch(/bridge_insecure without true or false/);
  });
});
