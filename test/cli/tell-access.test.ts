import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { tellAccess } from '../../src/cli/tell-access.ts';
import type { Settings } from '../../src/core/model/settings.ts';
import type { Announcement } from '../../src/core/news/events.ts';
import { http, json, type Reply, silence, startScriptedEngine } from '../support/scripted-engine.ts';

const NO_ENGINE = { kind: 'unix', path: '/nowhere/docker.sock' } as const;

/** Tells until it is done; a pause ends at once, and `during` may change what follows it. */
async function tell(change: Partial<Settings>, during?: (pauses: number, stop: AbortController) => void) {
  const settings = { ...fix.settings(change) };
  const said: Announcement[] = [];
  const pauses: number[] = [];
  const stop = new AbortController();
  const clock = {
    now: () => fix.at(0),
    sleep: async (ms: number) => {
      pauses.push(ms);
      during?.(pauses.length, stop);
    },
  };
  await tellAccess(settings, clock, stop.signal, (announcement) => said.push(announcement));
  return { said, pauses };
}

/** An engine that has nothing behind it for the first `times` questions. */
async function engineAfter(times: number, then: Reply) {
  // each time a ping and three questions
  const isReady = () => requests.length > 4 * times;
  const { endpoint, requests } = await startScriptedEngine({
    inspect: (socket) => (isReady() ? then : http(503))(socket),
  });
  return endpoint;
}

describe('what the socket grants', () => {
  it('is said once, with what would be enough', async () => {
    const { endpoint: engine } = await startScriptedEngine({ inspect: json([]) });
    const { said, pauses } = await tell({ engine });
    expect(said).toEqual([
      {
        event: 'engine_access',
        details: {
          access: 'whole_engine',
          message: expect.stringMatching(
            /^this socket grants the whole engine, .* allows 3 calls is enough$/,
          ),
          hint: 'see mosquitto-cert-watcher socket-policy',
        },
      },
    ]);
    expect(pauses).toEqual([]);
  });

  it('is said of a socket proxy too', async () => {
    const { endpoint: engine } = await startScriptedEngine({ inspect: http(403) });
    const { said } = await tell({ engine });
    expect(said).toMatchObject([{ event: 'engine_access', details: { access: 'restricted' } }]);
  });

  it('is said as soon as there is an engine, and nothing before', async () => {
    const engine = await engineAfter(3, json([]));
    const { said, pauses } = await tell({ engine, checkIntervalMs: 5_000 });
    expect(said).toHaveLength(1);
    expect(pauses).toEqual([5_000, 10_000, 20_000]);
  });

  it('is asked for ever more rarely, down to once in a cooldown', async () => {
    const { said, pauses } = await tell(
      { engine: NO_ENGINE, checkIntervalMs: 5_000, cooldownMs: 30_000 },
      (count, stop) => {
        if (count === 5) stop.abort();
      },
    );
    expect(pauses).toEqual([5_000, 10_000, 20_000, 30_000, 30_000]);
    expect(said).toEqual([]);
  });

  it('is never asked for more often than the check interval, however short the cooldown', async () => {
    const { pauses } = await tell(
      { engine: NO_ENGINE, checkIntervalMs: 5_000, cooldownMs: 0 },
      (count, stop) => {
        if (count === 3) stop.abort();
      },
    );
    expect(pauses).toEqual([5_000, 5_000, 5_000]);
  });

  it('is not said any more by a daemon that has been told to stop', async () => {
    const stop = new AbortController();
    const { endpoint: engine } = await startScriptedEngine({
      inspect: (socket) => {
        stop.abort();
        silence(socket);
      },
    });
    const said: Announcement[] = [];
    const clock = { now: () => fix.at(0), sleep: async () => undefined };
    await tellAccess(fix.settings({ engine }), clock, stop.signal, (announcement) => said.push(announcement));
    expect(said).toEqual([]);
  });
});
