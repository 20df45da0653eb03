/** Engines behind bad connections: lost answers, refusals, garbage. Restarts are counted by the engine itself. */

import { join } from 'node:path';
import { expect } from 'vitest';
import { type EngineProxy, type Fault, onRestart, startEngineProxy } from '../../lab/engine-proxy.ts';
import { quietly, until } from '../../lab/until.ts';
import { MEASURED } from '../support/measured.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { type BrokerOptions, makeSet, nothingFollows, type Stage, settled, test } from '../support/stage.ts';

const COOLDOWN_MS = 4_000;
const COOLDOWN = { RESTART_COOLDOWN: `${COOLDOWN_MS}ms` };

/** A broker that has the present set, and a watcher that reaches the engine only through a proxy. */
async function proxied(stage: Stage, settings: Record<string, string> = {}, options: BrokerOptions = {}) {
  const socketPath = join(stage.directory, 'proxy.sock');
  const proxy = await startEngineProxy({ target: stage.engine.socketPath, socketPath });
  stage.onEnd(() => proxy.close());
  await stage.certs.install(await makeSet());
  const broker = await stage.broker(options);
  const daemon = stage.watch(broker, { DOCKER_SOCK: socketPath, ...settings });
  await daemon.says('broker_already_current');
  return { proxy, broker, daemon, socketPath, rotate: async () => stage.certs.install(await makeSet()) };
}

const LOST_ANSWERS: Readonly<Record<string, Fault>> = {
  'is cut off': { kind: 'cut after' },
  'arrives by half': { kind: 'truncated' },
  'comes seconds late': { kind: 'late', ms: 2_500 },
};

describeWith(ENGINE, 'a restart whose answer', () => {
  // the longest of them first
  test('never comes is given up on after stop timeout and margin, and not repeated', async ({ stage }) => {
    const { proxy, broker, daemon, rotate } = await proxied(stage, {
      RESTART_STOP_TIMEOUT: '0',
      RESTART_COOLDOWN: '20s',
    });
    proxy.setRule(onRestart({ kind: 'late', ms: 120_000 }));
    await rotate();
    await daemon.says('restart_completed', { withinMs: 45_000 });
    await nothingFollows();
    expect({ restarts: broker.restarts(), asked: proxy.restartCalls().length }).toEqual({
      restarts: 1,
      asked: 1,
    });
  });

  for (const [what, fault] of Object.entries(LOST_ANSWERS)) {
    test(`${what} is looked into, found done and not repeated`, async ({ stage }) => {
      const { proxy, broker, daemon, rotate } = await proxied(stage, COOLDOWN);
      proxy.setRule(onRestart(fault));
      await rotate();
      await daemon.says('restart_completed');
      await quietly(COOLDOWN_MS + 2_000, 'the cooldown, window and several check intervals');
      expect({ restarts: broker.restarts(), asked: proxy.restartCalls().length }).toEqual({
        restarts: 1,
        asked: 1,
      });
    });
  }

  test('is lost with all that follow counts as one that may have happened: cooldown, then one look', async ({
    stage,
  }) => {
    const { proxy, broker, daemon, rotate } = await proxied(stage, {
      ...COOLDOWN,
      RESTART_VERIFY_TIMEOUT: '1s',
    });
    let isCut = false;
    proxy.setRule(({ path }) => {
      isCut ||= path.includes('/restart');
      if (path.includes('/restart')) return { kind: 'cut after' };
      return isCut ? { kind: 'cut before' } : undefined;
    });
    await rotate();
    const { details } = await daemon.says('restart_failed');
    proxy.setRule(undefined);
    await daemon.says('broker_already_current', { skip: 1 });
    await nothingFollows();
    expect(details).toMatchObject({ cause: 'connection_lost' });
    expect({ restarts: broker.restarts(), asked: proxy.restartCalls().length }).toEqual({
      restarts: 1,
      asked: 1,
    });
  });

  test('is lost with the call itself is repeated, but only after the cooldown', async ({ stage }) => {
    const { proxy, broker, daemon, rotate } = await proxied(stage, {
      ...COOLDOWN,
      RESTART_VERIFY_TIMEOUT: '1s',
    });
    proxy.setRule(onRestart({ kind: 'cut before' }));
    await rotate();
    await daemon.says('restart_failed');
    proxy.setRule(undefined);
    await settled(daemon);
    const [first, second, ...more] = proxy.restartCalls();
    expect(more).toEqual([]);
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(COOLDOWN_MS);
    expect(broker.restarts()).toBe(1);
  });

  test('is HTTP 500 although the engine did it is looked into and not repeated', async ({ stage }) => {
    const { proxy, broker, daemon, rotate } = await proxied(stage, COOLDOWN);
    proxy.setRule(onRestart({ kind: 'done, but says', status: 500, body: '{"message":"timeout"}' }));
    await rotate();
    await daemon.says('restart_completed');
    await quietly(COOLDOWN_MS + 2_000, 'the cooldown, window and several check intervals');
    expect({ restarts: broker.restarts(), asked: proxy.restartCalls().length }).toEqual({
      restarts: 1,
      asked: 1,
    });
  });

  test('is lost and that stopped the broker without starting it is made good after the cooldown', async ({
    stage,
  }) => {
    const { proxy, broker, daemon, rotate } = await proxied(stage, {
      ...COOLDOWN,
      RESTART_VERIFY_TIMEOUT: '1s',
    });
    const path = `/containers/${broker.name}/stop?t=5`;
    proxy.setRule(onRestart({ kind: 'instead', method: 'POST', path }));
    await rotate();
    await daemon.says('restart_failed');
    expect(await broker.inspect()).toMatchObject({ running: false, exitCode: 0 });
    proxy.setRule(undefined);
    await settled(daemon);
    expect(await broker.inspect()).toMatchObject({ running: true });
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(ENGINE, 'an engine that refuses', () => {
  test(
    'the restart with 403 is told with the next try, asked ever more seldom, and obeyed once it agrees',
    MEASURED,
    async ({ stage }) => {
      const { proxy, broker, daemon, rotate } = await proxied(stage, {
        ...COOLDOWN,
        CHECK_INTERVAL: '500ms',
      });
      proxy.setRule(onRestart({ kind: 'answer', status: 403, body: '{"message":"no"}' }));
      await rotate();
      const { details } = await daemon.says('restart_failed');
      await until('four refusals', () => proxy.restartCalls().length >= 4);
      proxy.setRule(undefined);
      await settled(daemon);
      expect(details).toMatchObject({
        cause: 'permission_denied',
        next_try: expect.stringMatching(/Z$/),
        hint: expect.stringContaining('group'),
      });
      expect(gapsBetween(proxy)).toEqual([1, 2, 4, 8]);
      expect({ restarts: broker.restarts(), told: daemon.count('restart_failed') }).toEqual({
        restarts: 1,
        told: 1,
      });
    },
  );

  test('the inspection with 404 for another reason is told as what it says', async ({ stage }) => {
    const { proxy, daemon, rotate } = await proxied(stage);
    proxy.setRule(() => ({ kind: 'answer', status: 404, body: 'page not found' }));
    await rotate();
    const { details } = await daemon.says('restart_failed');
    expect(details).toMatchObject({
      cause: 'call_refused',
      error: expect.stringContaining('page not found'),
    });
  });

  test('the restart because the container has gone is told, and waited for', async ({ stage }) => {
    const { proxy, broker, daemon, rotate } = await proxied(stage);
    const body = `{"message":"No such container: ${broker.name}"}`;
    proxy.setRule(onRestart({ kind: 'answer', status: 404, body }));
    await rotate();
    const { details } = await daemon.says('restart_failed');
    proxy.setRule(undefined);
    await settled(daemon);
    expect(details).toMatchObject({ cause: 'container_missing' });
    expect(broker.restarts()).toBe(1);
  });
});

const GARBAGE: Readonly<Record<string, { fault: Fault; cause: string }>> = {
  'answers garbage': {
    fault: { kind: 'raw', bytes: '\u0000\u0001 what is this\r\n\r\n' },
    cause: 'bad_answer',
  },
  'answers with a page of HTML': {
    fault: { kind: 'answer', status: 200, body: '<html>hello</html>' },
    cause: 'bad_answer',
  },
  'answers with JSON of another kind': {
    fault: { kind: 'answer', status: 200, body: '[{"Id":1}]' },
    cause: 'bad_answer',
  },
  'closes at once': { fault: { kind: 'cut before' }, cause: 'connection_lost' },
  'closes in the middle of its answer': { fault: { kind: 'truncated' }, cause: 'connection_lost' },
  'answers with HTTP 500': {
    fault: { kind: 'answer', status: 500, body: '{"message":"dial unix: broken"}' },
    cause: 'engine_error',
  },
};

describeWith(ENGINE, 'an engine that', () => {
  for (const [what, { fault, cause }] of Object.entries(GARBAGE)) {
    test(`${what} is told as ${cause}, and the rotation is made good once it is well: one restart`, async ({
      stage,
    }) => {
      const { proxy, broker, daemon, rotate } = await proxied(stage);
      proxy.setRule(({ path }) => (path.endsWith('/json') ? fault : undefined));
      await rotate();
      const { details } = await daemon.says('restart_failed');
      proxy.setRule(undefined);
      await settled(daemon);
      expect(details).toMatchObject({ cause });
      expect(broker.restarts()).toBe(1);
    });
  }

  test('answers garbage to the ping is told, and the rotation is made good once it is well', async ({
    stage,
  }) => {
    const { proxy, broker, daemon, rotate } = await proxied(stage);
    proxy.setRule(() => ({ kind: 'raw', bytes: 'SSH-2.0-OpenSSH_9.2\r\n' }));
    await rotate();
    const { details } = await daemon.says('restart_failed');
    proxy.setRule(undefined);
    await settled(daemon);
    expect(details).toMatchObject({ cause: 'bad_answer' });
    expect(broker.restarts()).toBe(1);
  });

  test('vanishes with its socket during a rotation and comes back is found again: one restart', async ({
    stage,
  }) => {
    const { proxy, broker, daemon, socketPath, rotate } = await proxied(stage);
    await proxy.close();
    await rotate();
    const { details } = await daemon.says('restart_failed');
    await nothingFollows();
    const back = await startEngineProxy({ target: stage.engine.socketPath, socketPath });
    stage.onEnd(() => back.close());
    await settled(daemon);
    expect(details).toMatchObject({ cause: 'socket_missing' });
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(ENGINE, 'an engine that is not there at the start', () => {
  test('is asked later what its socket grants, and that is said once', async ({ stage }) => {
    const socketPath = join(stage.directory, 'proxy.sock');
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const daemon = stage.watch(broker, { DOCKER_SOCK: socketPath });
    await daemon.says('restart_failed');
    await nothingFollows();
    const before = daemon.count('engine_access');
    const proxy = await startEngineProxy({ target: stage.engine.socketPath, socketPath });
    stage.onEnd(() => proxy.close());
    const { details } = await daemon.says('engine_access');
    await nothingFollows();
    expect([before, daemon.count('engine_access')]).toEqual([0, 1]);
    expect(details).toMatchObject({ access: 'whole_engine' });
  });
});

describeWith(ENGINE, 'an engine on TCP', () => {
  test('is reached through DOCKER_HOST, which wins over DOCKER_SOCK: one restart', async ({ stage }) => {
    const proxy = await startEngineProxy({ target: stage.engine.socketPath });
    stage.onEnd(() => proxy.close());
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const daemon = stage.watch(broker, {
      DOCKER_HOST: `tcp://127.0.0.1:${proxy.port}`,
      DOCKER_SOCK: '/nowhere.sock',
    });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

/** Between the calls for a restart, in check intervals, as the power of two that is nearest. */
function gapsBetween(proxy: EngineProxy): number[] {
  const times = proxy.restartCalls().map(({ atMs }) => atMs);
  const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
  return gaps.map((gap) => 2 ** Math.round(Math.log2(gap / 500)));
}
