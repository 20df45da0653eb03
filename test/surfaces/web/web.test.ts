import { describe, expect, it, onTestFinished } from 'vitest';
import { situation, worldIn } from '../../../lab/situations.ts';
import { closedPort } from '../../../lab/tls-servers.ts';
import { until } from '../../../lab/until.ts';
import type { Moment } from '../../../src/core/model/files.ts';
import type { Fact } from '../../../src/core/status/cycle.ts';
import { startWeb } from '../../../src/surfaces/web/web.ts';

const HOUR_MS = 3_600_000;

const FAILED_RESTART: Fact = {
  kind: 'restart_ended',
  container: 'mosquitto',
  outcome: {
    kind: 'not_done',
    tookMs: 5,
    answeredMonoMs: 5,
    failure: {
      ok: false,
      cause: 'socket_missing',
      problem: 'there is no socket',
      hint: 'mount it',
      mayHaveHappened: false,
    },
  },
};

/** What a gateway in this state serves, with a clock that the test turns. */
async function serve(name: string) {
  const { settings } = await worldIn(name);
  const { publications, now } = await situation(name);
  const port = await closedPort();
  let moment: Moment = now;
  const said: string[] = [];
  const web = startWeb({
    settings: { ...settings, metricsHost: '127.0.0.1', metricsPort: port },
    version: '1.2.3',
    now: () => moment,
    say: ({ event }) => said.push(event),
  });
  onTestFinished(() => web.close());
  for (const publication of publications) web.show(publication);
  await until('the server', () => said.includes('server_started'));
  const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  /** Time goes by, and the loop publishes nothing. */
  const standStill = (ms: number) => {
    moment = { wallMs: moment.wallMs + ms, monoMs: moment.monoMs + ms };
  };
  return { ask, standStill, show: web.show };
}

describe.each(['/healthz', '/-/healthy'])('%s', (path) => {
  it.each(['well', 'engine_down', 'upstream_down', 'rejected', 'missing', 'expired', 'unhealthy'])(
    'is green as long as the loop turns: %s',
    async (name) => {
      const { ask } = await serve(name);
      expect((await ask(path)).status).toBe(200);
    },
  );

  it('is red when the loop is stuck, and says since when', async () => {
    const { ask, standStill } = await serve('well');
    standStill(HOUR_MS);
    const answer = await ask(path);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toMatch(/^the watcher is stuck: its last cycle ended 1h0m\d+s ago\n$/);
  });
});

describe.each(['/readyz', '/-/ready'])('%s', (path) => {
  it('is red until the first cycle has ended', async () => {
    const { ask } = await serve('starting');
    const answer = await ask(path);
    expect([answer.status, await answer.text()]).toEqual([503, 'the first cycle has not ended yet\n']);
  });

  it('stays green for a loop that is stuck: that is for /healthz to say', async () => {
    const { ask, standStill } = await serve('well');
    standStill(HOUR_MS);
    expect((await ask(path)).status).toBe(200);
  });
});

describe('the status page', () => {
  /** What a page that is open asks for, again and again. */
  async function openPage(ask: (path: string, init?: RequestInit) => Promise<Response>) {
    const etag = (await ask('/')).headers.get('etag') ?? '';
    return () => ask('/', { headers: { 'If-None-Match': etag } });
  }

  it('is not sent again while nothing has changed', async () => {
    const { ask, standStill } = await serve('well');
    const refresh = await openPage(ask);
    standStill(2_000);
    expect((await refresh()).status).toBe(304);
  });

  it('is sent again when the loop has come to a stop', async () => {
    const { ask, standStill } = await serve('well');
    const refresh = await openPage(ask);
    standStill(HOUR_MS);
    expect(await (await refresh()).text()).toContain('the watcher is stuck');
  });

  it('goes on telling for how long the loop has been stuck', async () => {
    const { ask, standStill } = await serve('well');
    standStill(HOUR_MS);
    const refresh = await openPage(ask);
    standStill(HOUR_MS);
    expect(await (await refresh()).text()).toMatch(/its last cycle ended 2h0m\d+s ago/);
  });
});

describe.each(['/', '/metrics', '/status.json'])('%s', (path) => {
  const read = async (ask: (path: string) => Promise<Response>) => (await ask(path)).text();

  it('is made once for all who ask within a quarter of a second', async () => {
    const { ask, standStill } = await serve('well');
    const first = await read(ask);
    standStill(249);
    expect(await read(ask)).toBe(first);
  });

  it('goes on with the time all the same', async () => {
    const { ask, standStill } = await serve('well');
    const first = await read(ask);
    standStill(250);
    expect(await read(ask)).not.toBe(first);
  });

  it('shows what has happened at once', async () => {
    const { ask, show } = await serve('well');
    const first = await read(ask);
    show({ wallMs: 0, say: [], fact: FAILED_RESTART });
    expect(await read(ask)).not.toBe(first);
  });
});
