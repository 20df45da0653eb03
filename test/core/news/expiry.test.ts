import { describe, expect, it } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { snapshotOf } from '../../../lab/situations.ts';
import { createWorld } from '../../../lab/world.ts';
import { createBrokerMemory } from '../../../src/core/memory/broker.ts';
import { createSiteMemory } from '../../../src/core/memory/site.ts';
import type { CertificateSet } from '../../../src/core/model/files.ts';
import { ofSet } from '../../../src/core/news/standing.ts';

/** A certificate that ends in so many days. */
function ending(subject: string, days: number) {
  const notAfterMs = fix.EPOCH_MS + days * fix.DAY_MS;
  return fix.certificate({ subject, isCa: true, notBeforeMs: fix.EPOCH_MS - 365 * fix.DAY_MS, notAfterMs });
}

/** What is said of a set that differs so from a good one, without what is said of every set. */
function said(change: Partial<CertificateSet>): readonly string[] {
  const now = fix.at(0);
  const view = {
    now,
    files: fix.set('A', 0, change),
    site: createSiteMemory(now),
    name: 'eclipse-mosquitto',
    memory: createBrokerMemory(now, undefined),
    settings: fix.settings(),
  };
  return ofSet(view).flatMap(({ event, details, message }) =>
    event === 'cert_parsed' ? [] : [`${event}: ${details['subject'] ?? ''} ${message}`],
  );
}

/** What is shown of it: each certificate with its state, and when it ends, in days. */
async function shown(change: Partial<CertificateSet>) {
  const world = createWorld();
  world.write('A', change);
  world.startWatcher();
  await world.advance(1_000);
  const { cycle } = snapshotOf(world);
  return {
    files: cycle?.certificates.map(({ role, subject, state }) => `${role} ${subject} ${state}`),
    ends: cycle?.certificates.map(({ notAfterMs }) => Math.round((notAfterMs - fix.EPOCH_MS) / fix.DAY_MS)),
  };
}

const LEAF = 'client CN=client.example.com valid';

const HOUR_MS = 3_600_000;

/** A certificate of a day, so many hours old. */
function ofADay(hours: number) {
  const notBeforeMs = fix.EPOCH_MS - hours * HOUR_MS;
  return fix.certificate({ notBeforeMs, notAfterMs: notBeforeMs + fix.DAY_MS });
}

describe('a certificate that lives for a day', () => {
  it('is no news for the first two thirds of its life', () => {
    expect(said({ leaf: ofADay(16) })).toEqual([]);
  });

  it('is expiring after that', () => {
    expect(said({ leaf: ofADay(16.01) })).toEqual([
      'cert_expiring: CN=client.example.com the client certificate in client.crt expires on 2026-03-01T19:59:24Z',
    ]);
  });

  it('is shown with the hours that are left of it', async () => {
    const world = createWorld();
    world.write('A', { leaf: ofADay(17) });
    world.startWatcher();
    await world.advance(1_000);
    const { assessment, cycle } = snapshotOf(world);
    expect(cycle?.certificates[0]).toMatchObject({ state: 'expiring', daysRemaining: 0 });
    expect(assessment.level).toBe('warning');
    expect(world.lines.find(({ event }) => event === 'cert_expiring')?.details).toMatchObject({
      days_remaining: 0,
      expires_in: '7h0m0s',
    });
  });
});

describe('an intermediate', () => {
  it('is told when it ends soon, and before the client certificate', () => {
    expect(said({ intermediates: [ending('CN=I', 5)] })).toEqual([
      'cert_expiring: CN=I an intermediate certificate in client.crt expires on 2026-03-06T12:00:00Z',
    ]);
  });

  it('is told when it has expired', () => {
    expect(said({ intermediates: [ending('CN=I', -1)] })).toEqual([
      'cert_expiring: CN=I an intermediate certificate in client.crt expired on 2026-02-28T12:00:00Z',
    ]);
  });

  it('is not told when it ends with the client certificate: that is told itself', () => {
    const leaf = ending('CN=client.example.com', 5);
    expect(said({ leaf, intermediates: [ending('CN=I', 5)] })).toHaveLength(1);
  });

  it('is not told when a valid certificate of its name and key makes up for it', () => {
    expect(said({ intermediates: [ending('CN=I', -1)], authorities: [ending('CN=I', 900)] })).toEqual([]);
  });

  it('is shown, with the end of the chain, as soon as it ends before the client certificate', async () => {
    expect(await shown({ intermediates: [ending('CN=I', 60), ending('CN=Root', 900)] })).toEqual({
      files: [LEAF, 'intermediate CN=I valid', 'ca CN=CA.example.com valid'],
      ends: [90, 60, 900],
    });
  });
});

describe('the CA file', () => {
  it('reports the one that ends next, and beside it those that have expired', () => {
    const authorities = [
      ending('CN=Old', -9),
      ending('CN=Older', -90),
      ending('CN=Soon', 3),
      ending('CN=Late', 900),
    ];
    expect(said({ authorities })).toEqual([
      'cert_expiring: CN=Soon a CA certificate in ca.crt expires on 2026-03-04T12:00:00Z',
      'cert_expiring: CN=Old a CA certificate in ca.crt expired on 2026-02-20T12:00:00Z, and 1 more',
    ]);
  });

  it('shows both, and the end of the one that ends next', async () => {
    expect(await shown({ authorities: [ending('CN=Old', -9), ending('CN=Soon', 3)] })).toEqual({
      files: [LEAF, 'ca CN=Soon expiring', 'ca CN=Old expired'],
      ends: [90, 3, -9],
    });
  });

  it('shows the end of the last one that has expired, when all have', async () => {
    expect((await shown({ authorities: [ending('CN=Old', -9), ending('CN=Older', -90)] })).ends).toEqual([
      90, -9,
    ]);
  });

  it('may hold an expired cross certificate beside its root without a word', () => {
    expect(said({ authorities: [ending('CN=Root', -9), ending('CN=Root', 900)] })).toEqual([]);
  });
});

describe('what the broker does not load', () => {
  const ignored = [
    { file: 'client.crt', cause: 'ignored', problem: 'has a BEGIN in line 5', hint: 'write plain PEM' },
    { file: 'client.crt', cause: 'ignored', problem: 'ends at line 9', hint: 'write plain PEM' },
  ];

  it('is told in one line for a file', () => {
    expect(said({ ignored })).toEqual([
      'cert_ignored:  client.crt has a BEGIN in line 5; client.crt ends at line 9',
    ]);
  });

  it('holds nothing', async () => {
    const world = createWorld();
    world.write('A', { ignored });
    world.startWatcher();
    await world.advance(60_000);
    expect(snapshotOf(world)).toMatchObject({
      cycle: { files: 'complete', complaints: ignored, applied: { fingerprint: 'A' } },
      assessment: { level: 'warning' },
    });
  });
});
