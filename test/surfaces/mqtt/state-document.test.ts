import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { SITUATIONS, situation } from '../../../lab/situations.ts';
import { readReport } from '../../../src/adapters/fleet/report.ts';
import type { Moment } from '../../../src/core/model/files.ts';
import type { Snapshot } from '../../../src/core/status/snapshot.ts';
import { isNews, stateDocument, stateText } from '../../../src/surfaces/mqtt/state-document.ts';
import { statusJson } from '../../../src/surfaces/web/status-json.ts';

const SCHEMA = JSON.parse(readFileSync(new URL('../../../docs/state.schema.json', import.meta.url), 'utf8'));

/** Every key of the schema has to be listed there. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).map(([key, value]) => [key, closed(value)] as const);
  const copy = Object.fromEntries(entries);
  return 'properties' in node ? { ...copy, additionalProperties: false } : copy;
}

const ajv = new Ajv({ allErrors: true, strict: false });
addFormats.default(ajv);
const isOfSchema = ajv.compile(closed(SCHEMA) as object);

function published(snapshot: Snapshot, now: Moment) {
  return JSON.parse(stateText(stateDocument(snapshot, '1.2.3', now)));
}

/** The same, a while later, in which only time has passed. */
function later({ snapshot, now }: { snapshot: Snapshot; now: Moment }, ms: number) {
  const next = { wallMs: now.wallMs + ms, monoMs: now.monoMs + ms };
  return stateDocument({ ...snapshot, aliveUntilMonoMs: now.monoMs + 2 * ms }, '1.2.3', next);
}

describe.each(Object.keys(SITUATIONS))('the state that is published: %s', (name) => {
  it('is of the schema in the docs, which lists every key', async () => {
    const { snapshot, now } = await situation(name);
    isOfSchema(published(snapshot, now));
    expect(isOfSchema.errors).toBeNull();
  });

  it('is a part of /status.json, with the same values', async () => {
    const { snapshot, now } = await situation(name);
    const { broker, ...state } = published(snapshot, now);
    const { restarts, ...ofBroker } = broker;
    const status = JSON.parse(statusJson(snapshot, '1.2.3', now));
    if (state.decision?.waits_until === null) delete state.decision.waits_until;
    expect(status).toMatchObject(state);
    expect(status.broker).toMatchObject(ofBroker);
    expect(status.broker.restarts.slice(-1)).toMatchObject(restarts);
  });

  it('is read by the fleet command', async () => {
    const { snapshot, now } = await situation(name);
    const text = stateText(stateDocument(snapshot, '1.2.3', now));
    const { status, summary } = JSON.parse(text);
    expect(readReport(Buffer.from(text))).toMatchObject({
      ok: true,
      report: { level: status, sentence: summary, version: '1.2.3', atMs: now.wallMs },
    });
  });

  it('is no news again while only time passes', async () => {
    const before = await situation(name);
    const document = stateDocument(before.snapshot, '1.2.3', before.now);
    expect(isNews(document, later(before, 20_000))).toBe(false);
  });
});

describe('a message is due', () => {
  it('when something else is wrong', async () => {
    const [well, rejected] = [await situation('well'), await situation('rejected')];
    const before = stateDocument(well.snapshot, '1', well.now);
    expect(isNews(before, stateDocument(rejected.snapshot, '1', rejected.now))).toBe(true);
  });

  it('when a wait ends at another time, but not when clocks tremble', async () => {
    const { snapshot, now } = await situation('not_stable');
    const { cycle } = snapshot;
    if (cycle?.waitsUntilMs === undefined) throw new Error('it waits');
    const until = (ms: number) =>
      stateDocument({ ...snapshot, cycle: { ...cycle, waitsUntilMs: ms } }, '1', now);
    expect(isNews(until(cycle.waitsUntilMs), until(cycle.waitsUntilMs + 3))).toBe(false);
    expect(isNews(until(cycle.waitsUntilMs), until(cycle.waitsUntilMs + 3_000))).toBe(true);
  });

  it('not when the next of many probes comes', async () => {
    const { snapshot, now } = await situation('rejected');
    const { cycle } = snapshot;
    if (cycle?.waitsUntilMs === undefined) throw new Error('it waits for a probe');
    const next = { ...snapshot, cycle: { ...cycle, waitsUntilMs: cycle.waitsUntilMs + 60_000 } };
    expect(isNews(stateDocument(snapshot, '1', now), stateDocument(next, '1', now))).toBe(false);
  });
});

it('a gateway with more trouble than anybody reads still publishes a short message', async () => {
  const { snapshot, now } = await situation('rejected');
  const [finding] = snapshot.assessment.findings;
  const [broker] = snapshot.brokers;
  if (finding === undefined || broker === undefined) throw new Error('there is a finding and a broker');
  const bridges = Array.from({ length: 64 }, (_, index) => {
    return { connection: 'n'.repeat(256), up: index % 2 === 0, changes: 1, fellAt: 0, roseAt: 0 };
  });
  const sight = {
    ok: true,
    bridges,
    messages: 64,
    lastLive: 0,
    leftOut: { bridges: false, messages: false },
  } as const;
  const crowded: Snapshot = {
    ...snapshot,
    assessment: { ...snapshot.assessment, findings: Array.from({ length: 500 }, () => finding) },
    brokers: Array.from({ length: 200 }, () => ({ ...broker, bridges: sight })),
  };
  const text = stateText(stateDocument(crowded, '1', now));
  expect(text.length).toBeLessThan(100_000);
  expect(readReport(Buffer.from(text))).toMatchObject({ ok: true });
});
