/**
 * Every call of the conversation with the engine in turn goes wrong once, in every way: the broker is still
 * restarted once for the rotation, by the engine's own events, and stays up.
 */

import { join } from 'node:path';
import { expect } from 'vitest';
import { type EngineProxy, type Fault, startEngineProxy } from '../../lab/engine-proxy.ts';
import { quietly, until } from '../../lab/until.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { makeSet, type Stage, test } from '../support/stage.ts';

const COOLDOWN_MS = 1_500;
const SETTINGS = { RESTART_COOLDOWN: `${COOLDOWN_MS}ms`, RESTART_VERIFY_TIMEOUT: '3s' };

/** In the order in which a rotation makes them; what comes after the restart is its verification. */
const CALLS = [
  'the first ping',
  'the inspection',
  'the restart',
  'a ping after it',
  'an inspection after it',
];

const GARBAGE = 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"Id": nope}';
const MISSING = '{"message":"No such container: broker"}';

const FAULTS: Readonly<Record<string, Fault>> = {
  'comes seconds late': { kind: 'late', ms: 2_500 },
  'never reaches the engine': { kind: 'cut before' },
  'is done and its answer lost': { kind: 'cut after' },
  'is done and its answer cut short': { kind: 'truncated' },
  'is refused with 403': { kind: 'answer', status: 403, body: '{"message":"forbidden"}' },
  'fails with 503': { kind: 'answer', status: 503, body: 'no backend' },
  'is done but answered with 500': { kind: 'done, but says', status: 500, body: '{"message":"oh"}' },
  'is done but answered with 404': { kind: 'done, but says', status: 404, body: MISSING },
  'is answered with garbage': { kind: 'raw', bytes: GARBAGE },
  'is answered with what is no HTTP': { kind: 'raw', bytes: '\0\u0001\u0002no such protocol\r\n\r\n' },
};

/** Faults the `nth` call from now on, and no other. */
function faultOnce(proxy: EngineProxy, nth: number, fault: Fault): void {
  let calls = 0;
  proxy.setRule(() => {
    calls += 1;
    return calls - 1 === nth ? fault : undefined;
  });
}

async function watchedThroughProxy(stage: Stage) {
  const socketPath = join(stage.directory, 'proxy.sock');
  const proxy = await startEngineProxy({ target: stage.engine.socketPath, socketPath });
  stage.onEnd(() => proxy.close());
  await stage.certs.install(await makeSet());
  const broker = await stage.broker();
  const daemon = stage.watch(broker, { ...SETTINGS, DOCKER_SOCK: socketPath, LOG_LEVEL: 'debug' });
  await daemon.says('broker_already_current');
  return { proxy, broker, daemon };
}

describeWith(ENGINE, 'where', () => {
  for (const [nth, call] of CALLS.entries()) {
    for (const [what, fault] of Object.entries(FAULTS)) {
      test(`${call} ${what}, the broker is restarted once`, async ({ stage }) => {
        const { proxy, broker, daemon } = await watchedThroughProxy(stage);
        faultOnce(proxy, nth, fault);
        await stage.certs.install(await makeSet());
        const rotatedAt = daemon.lines.length;
        await until('the watcher to be done with it', () => {
          const reasons = daemon.lines.slice(rotatedAt).flatMap(({ details }) => details['reason'] ?? []);
          // the first look may be one from before the rotation
          return reasons.some((reason) => reason !== 'unchanged') && reasons.at(-1) === 'unchanged';
        });
        await quietly(COOLDOWN_MS + 1_500, 'the cooldown, the window and several check intervals');
        expect(broker.restarts()).toBe(1);
        expect(await broker.inspect()).toMatchObject({ running: true });
        expect(daemon.count('cycle_failed')).toBe(0);
      });
    }
  }
});
