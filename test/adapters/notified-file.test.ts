import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../../lab/until.ts';
import { createNotifiedFile } from '../../src/adapters/notified-file.ts';
import { TOLD_NOTHING, type Told, type ToldProblem } from '../../src/core/status/notification.ts';
import { makeFifo, temporaryDirectory } from '../support/directory.ts';

const RECEIVER = 'https://receiver.example.com/s3cret';

const REJECTED: ToldProblem = {
  level: 'critical',
  cause: 'client_cert_rejected',
  about: 'upstream',
  sentence: 'the upstream refuses the client certificate',
  sinceMs: Date.UTC(2026, 2, 1),
  causes: ['timeout', 'client_cert_rejected'],
};

async function pathInDirectory(): Promise<string> {
  return join(await temporaryDirectory(), 'state.json.notified');
}

/** Keeps these in quick succession; resolves when the last one can be read back. */
async function keep(path: string, ...told: readonly Told[]): Promise<void> {
  const file = createNotifiedFile(path, RECEIVER);
  for (const each of told) file.keep(each);
  const last = JSON.stringify(told.at(-1));
  await until('the file', async () => JSON.stringify(await file.load()) === last);
}

describe('what was notified', () => {
  it('is read back by the next watcher', async () => {
    const path = await pathInDirectory();
    await keep(path, REJECTED);
    expect(await createNotifiedFile(path, RECEIVER).load()).toEqual(REJECTED);
  });

  it('is the last of several that come in quick succession', async () => {
    const path = await pathInDirectory();
    await keep(path, REJECTED, TOLD_NOTHING, { ...REJECTED, cause: 'dns' });
    expect(await createNotifiedFile(path, RECEIVER).load()).toMatchObject({ cause: 'dns' });
  });

  it('means nothing to another receiver', async () => {
    const path = await pathInDirectory();
    await keep(path, REJECTED);
    expect(await createNotifiedFile(path, 'https://other.example.com').load()).toEqual(TOLD_NOTHING);
  });

  it('is stored without the address of the receiver', async () => {
    const path = await pathInDirectory();
    await keep(path, REJECTED);
    expect(await readFile(path, 'utf8')).not.toMatch(/receiver\.example|s3cret/);
  });

  it.each([
    ['is not there', undefined],
    ['is half a file', '{"version":1,'],
    ['is no text', Buffer.from([0xff, 0xfe])],
    ['is of a later version', '{"version":2,"receiver":"x","told":{"level":"ok"}}'],
    ['is huge', ' '.repeat(20_000_000)],
  ])('is nothing where the file %s', async (_, content) => {
    const path = await pathInDirectory();
    if (content !== undefined) await writeFile(path, content);
    expect(await createNotifiedFile(path, RECEIVER).load()).toEqual(TOLD_NOTHING);
  });

  it('is nothing where the path is a pipe', async () => {
    const path = await pathInDirectory();
    await makeFifo(path);
    expect(await createNotifiedFile(path, RECEIVER).load()).toEqual(TOLD_NOTHING);
  });

  it('keeps nothing that could not be read back', async () => {
    const path = await pathInDirectory();
    const long = 'x'.repeat(5_000);
    createNotifiedFile(path, RECEIVER).keep({ ...REJECTED, sentence: long, cause: long, causes: [long] });
    const load = () => createNotifiedFile(path, RECEIVER).load();
    await until('the file', async () => (await load()).level === 'critical');
    expect(await load()).toMatchObject({ sentence: long.slice(0, 1_000), causes: [] });
  });
});
