/** The reload by signal, step by step: what is asked of the broker and its bridges, and what it concludes. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createFakeClock } from '../../lab/fake-clock.ts';
import { type BridgeSight, RECONNECT_MS } from '../../src/core/model/bridge.ts';
import type { SignalProof } from '../../src/core/model/step.ts';
import type { SignalOutcome } from '../../src/rollout/rollout.ts';
import { createSignalFirst } from '../../src/rollout/signal.ts';

const VERIFY_MS = 30_000;
const before = fix.broker(0);
const set = fix.set('B', 0);

const heard = fix.sight([fix.bridge()], { messages: 5 });
/** What a bridge shows that has fallen and risen by these messages. */
const moved = (fellAt: number, roseAt: number): BridgeSight =>
  fix.sight([fix.bridge({ fellAt, roseAt, up: roseAt > fellAt })], {
    messages: Math.max(fellAt, roseAt),
    lastLive: Math.max(fellAt, roseAt),
  });

/** A reload after whose signal the broker shows, at these seconds, this. */
async function reloaded(
  proof: SignalProof,
  shows: Readonly<Record<number, { sight?: BridgeSight; leaf?: string }>>,
  { first = heard, forMs = VERIFY_MS + 1_000 }: { first?: BridgeSight; forMs?: number } = {},
) {
  const clock = createFakeClock();
  let signals = 0;
  let signalledMs = Number.POSITIVE_INFINITY;
  const now = <T>(read: (step: { sight?: BridgeSight; leaf?: string }) => T | undefined, otherwise: T): T => {
    const passedS = (clock.elapsedMs() - signalledMs) / 1_000;
    const steps = Object.entries(shows).filter(([second]) => Number(second) <= passedS);
    return steps.map(([, step]) => read(step)).findLast((value) => value !== undefined) ?? otherwise;
  };
  const rollout = createSignalFirst(
    {
      broker: {
        inspect: async () => ({ ok: true, value: before }),
        signalHangup: async () => {
          signals += 1;
          signalledMs = clock.elapsedMs();
          return { ok: true, value: undefined };
        },
      },
      clock,
      settings: fix.settings({ verifyTimeoutMs: VERIFY_MS }),
      sight: () => now(({ sight }) => sight, first),
      presentedLeaf: async () => now(({ leaf }) => leaf, 'old'),
    },
    async function* restart() {
      // what nothing proves is restarted, which is tried elsewhere
    },
  );
  let outcome: SignalOutcome | undefined;
  void (async () => {
    for await (const event of rollout({ set, before, signal: { kind: 'first', proof } })) {
      if (event.kind === 'signal_ended') outcome = event.outcome;
    }
  })();
  await clock.advance(forMs);
  return { outcome, signals };
}

describe('a reload that bridges have to prove', () => {
  it('is proved by a fall and a rise after the signal, as Mosquitto 2.1 shows them: 0, 0, 1', async () => {
    const shows = { 1: { sight: moved(6, 0) }, 2: { sight: moved(7, 0) }, 8: { sight: moved(7, 8) } };
    expect((await reloaded('bridge', shows)).outcome).toMatchObject({ kind: 'proven', proof: 'bridge' });
  });

  it('is not proved by what came before the signal', async () => {
    const { outcome } = await reloaded('bridge', {}, { first: moved(4, 5) });
    expect(outcome).toMatchObject({ kind: 'unproven', why: 'its bridge keeps its old connection' });
  });

  it('is not proved by a rise without a fall', async () => {
    const { outcome } = await reloaded('bridge', { 1: { sight: moved(0, 6) } });
    expect(outcome).toMatchObject({ kind: 'unproven' });
  });

  it('is not proved by a bridge that is down again', async () => {
    const { outcome } = await reloaded(
      'bridge',
      { 1: { sight: moved(8, 7) } },
      { forMs: RECONNECT_MS + 1_000 },
    );
    expect(outcome).toMatchObject({ kind: 'unproven', why: 'its bridge has not reconnected' });
  });

  it('waits beyond RESTART_VERIFY_TIMEOUT for a bridge that the signal has moved', async () => {
    const shows = { 1: { sight: moved(6, 0) }, [VERIFY_MS / 1_000 + 15]: { sight: moved(6, 7) } };
    const { outcome } = await reloaded('bridge', shows, { forMs: RECONNECT_MS });
    expect(outcome).toMatchObject({ kind: 'proven' });
  });

  it('is not waited for any longer where one of two bridges stays as it is', async () => {
    const two = (fellAt: number) =>
      fix.sight([fix.bridge({ fellAt, up: fellAt === 0 }), fix.bridge({ connection: 'other' })], {
        messages: Math.max(5, fellAt),
      });
    const { outcome } = await reloaded('bridge', { 1: { sight: two(6) } }, { first: two(0) });
    expect(outcome).toMatchObject({ kind: 'unproven' });
  });

  it('says what to look at where the bridge went down and did not come back', async () => {
    const { outcome } = await reloaded(
      'bridge',
      { 1: { sight: moved(6, 0) } },
      { forMs: RECONNECT_MS + 1_000 },
    );
    expect(outcome).toMatchObject({ hint: expect.stringContaining('restart_timeout') });
  });

  it('is not proved by another bridge', async () => {
    const other = fix.sight([fix.bridge({ connection: 'other', fellAt: 6, roseAt: 7 })], { messages: 7 });
    expect((await reloaded('bridge', { 1: { sight: other } })).outcome).toMatchObject({ kind: 'unproven' });
  });

  it('is not proved by the certificate of a listener', async () => {
    const { outcome } = await reloaded('bridge', { 0: { leaf: set.leaf.sha256 } });
    expect(outcome).toMatchObject({ kind: 'unproven' });
  });

  it('gets no signal where the bridges cannot be heard: nothing could be compared', async () => {
    const first = { ok: false, problem: 'gone', hint: 'look' } as const;
    const { outcome, signals } = await reloaded('bridge', {}, { first });
    expect([outcome?.kind, signals]).toEqual(['unproven', 0]);
  });
});

describe('a reload that a listener has to prove', () => {
  const first = fix.sight();

  it('is proved by the new leaf', async () => {
    const { outcome } = await reloaded('listener', { 2: { leaf: set.leaf.sha256 } }, { first });
    expect(outcome).toMatchObject({ kind: 'proven', proof: 'listener' });
  });

  it('is not proved by another leaf', async () => {
    const { outcome } = await reloaded('listener', { 2: { leaf: 'another' } }, { first });
    expect(outcome).toMatchObject({ why: 'its listener does not present the new certificate' });
  });

  it('is not proved once a bridge is heard', async () => {
    const shows = { 0: { sight: heard, leaf: set.leaf.sha256 } };
    const { outcome } = await reloaded('listener', shows, { first });
    expect(outcome).toMatchObject({ kind: 'unproven', why: 'it turns out to have bridges' });
  });
});

describe('a reload that bridges and a listener have to prove', () => {
  it('is proved by both, however late the bridge is', async () => {
    const shows = {
      1: { sight: moved(6, 0), leaf: set.leaf.sha256 },
      [VERIFY_MS / 1_000 + 15]: { sight: moved(6, 7) },
    };
    const { outcome } = await reloaded('both', shows, { forMs: RECONNECT_MS });
    expect(outcome).toMatchObject({ kind: 'proven', proof: 'both' });
  });

  it('is not proved by the bridge alone', async () => {
    const shows = { 1: { sight: moved(6, 0) }, 2: { sight: moved(6, 7) } };
    const { outcome } = await reloaded('both', shows, { forMs: RECONNECT_MS + 1_000 });
    expect(outcome).toMatchObject({ why: 'its listener does not present the new certificate' });
  });

  it('is not proved by the listener alone', async () => {
    const { outcome } = await reloaded('both', { 1: { leaf: set.leaf.sha256 } });
    expect(outcome).toMatchObject({ why: 'its bridge keeps its old connection' });
  });
});
