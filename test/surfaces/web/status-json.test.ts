import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SITUATIONS, situation } from '../../../lab/situations.ts';
import { SCHEMA_VERSION, statusJson } from '../../../src/surfaces/web/status-json.ts';

async function documentOf(name: string) {
  const { snapshot, now } = await situation(name);
  return JSON.parse(statusJson(snapshot, '1.2.3', now));
}

/** Every key of a document with the keys around it: `broker.restarts[].result`. */
function keysOf(value: unknown, prefix = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => keysOf(item, `${prefix}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    return [path, ...keysOf(inner, path)];
  });
}

describe('status.json', () => {
  it('tells the verdict, the decision and its path', async () => {
    expect(await documentOf('rejected')).toMatchObject({
      schema_version: SCHEMA_VERSION,
      version: '1.2.3',
      alive: true,
      status: 'critical',
      summary: 'the upstream refuses the client certificate; the restart is held',
      decision: { reason: 'probe_holds', rotation_pending: true },
      certificates: { state: 'complete', key_pair: 'matches' },
      upstream: { last_probe: { ok: false, cause: 'client_cert_rejected' } },
      totals: { restarts_suppressed: { held: 1 } },
    });
  });

  it('has null for what is not known, so that every key is always there', async () => {
    const document = await documentOf('starting');
    expect(document).toMatchObject({ status: 'unknown', decision: null, broker: { started_at: null } });
    expect(Object.keys(document)).toEqual(Object.keys(await documentOf('well')));
  });

  it.each(Object.keys(SITUATIONS))('%s: writes every time in RFC 3339', async (name) => {
    const times = [
      ...JSON.stringify(await documentOf(name)).matchAll(/"[a-z_]*(?:at|_after|_before|until)":"([^"]*)"/g),
    ];
    expect(
      times
        .map(([, time]) => time)
        .filter((time) => !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(time ?? '')),
    ).toEqual([]);
  });

  it('has no key that its description does not tell of', async () => {
    const description = readFileSync(new URL('../../../docs/status-json.md', import.meta.url), 'utf8');
    const documents = await Promise.all(Object.keys(SITUATIONS).map(documentOf));
    const keys = new Set(documents.flatMap((document) => keysOf(document)));
    const closed = /^totals\.[a-z_]+\./;
    expect([...keys].filter((key) => !closed.test(key) && !description.includes(`\`${key}\``))).toEqual([]);
  });
});
