/** A service of a Docker Swarm and the watchers of its nodes, all on one fake clock. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createFakeClock } from '../../lab/fake-clock.ts';
import { createSimulatedService, TASK_MS } from '../../lab/simulated-service.ts';
import { snapshotOf } from '../../lab/situations.ts';
import { createWorld, type World } from '../../lab/world.ts';

const VERIFY_MS = fix.settings().verifyTimeoutMs;
const HOUR_MS = 3_600_000;
const WINDOW_MS = 10_000;

const withoutProbe = { probeEnabled: false } as const;

/** Nodes of one swarm whose service has been updated for A, with a watcher each that has nothing to do. */
async function swarm(count = 1) {
  const clock = createFakeClock();
  const service = createSimulatedService(clock);
  const nodes = Array.from({ length: count }, () => createWorld({ clock, service, settings: withoutProbe }));
  for (const node of nodes) node.write('A');
  await clock.advance(1_000);
  const watchers = nodes.map((node) => node.startWatcher());
  await clock.advance(HOUR_MS);
  const first = nodes[0];
  if (first === undefined) throw new Error('a swarm has a node');
  return { clock, service, nodes, first, watchers };
}

function rotate(nodes: readonly World[], name: string) {
  for (const node of nodes) node.write(name);
}

const fingerprints = ({ service }: Awaited<ReturnType<typeof swarm>>) =>
  service.updates.map(({ fingerprint }) => fingerprint);

describe('a rotation of a service', () => {
  it('is one update, asked for at the end of the window', async () => {
    const at = await swarm();
    const writtenMs = at.clock.elapsedMs();
    at.first.write('B');
    await at.clock.advance(24 * HOUR_MS);
    expect(at.service.updates.slice(1)).toEqual([{ atMs: writtenMs + WINDOW_MS + 5, fingerprint: 'B' }]);
  });

  it('is told with its progress, and as complete when it is', async () => {
    const at = await swarm();
    const before = at.first.lines.length;
    at.first.write('B');
    await at.clock.advance(HOUR_MS);
    const told = at.first.lines.slice(before).filter(({ event }) => /service|restart_completed/.test(event));
    expect(told.map(({ event, details }) => details['updated'] ?? event)).toEqual([
      0,
      1,
      2,
      3,
      'restart_completed',
    ]);
    expect(at.first.events('mosquitto_restart_triggered')).toHaveLength(2);
  });

  it('is one update however many watch', async () => {
    const at = await swarm(3);
    expect(fingerprints(at)).toEqual(['A']);
    rotate(at.nodes, 'B');
    await at.clock.advance(24 * HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B']);
    expect(at.service.outOfSequence).toBeGreaterThan(0);
  });

  it('is told as complete by the one that has asked for it, and as current by the others', async () => {
    const at = await swarm(3);
    const before = at.nodes.map((node) => node.lines.length);
    rotate(at.nodes, 'B');
    await at.clock.advance(HOUR_MS);
    const told = at.nodes.map((node, index) =>
      node.lines
        .slice(before[index])
        .map(({ event }) => event)
        .filter((event) => event === 'restart_completed' || event === 'broker_already_current'),
    );
    expect(told.toSorted()).toEqual([
      ['broker_already_current'],
      ['broker_already_current'],
      ['restart_completed'],
    ]);
    expect(at.nodes.flatMap((node) => node.events('restart_failed'))).toEqual([]);
  });

  it('needs no memory at the watcher: one that has just started asks for nothing', async () => {
    const at = await swarm();
    at.watchers[0]?.kill();
    at.first.startWatcher();
    await at.clock.advance(24 * HOUR_MS);
    expect(fingerprints(at)).toEqual(['A']);
  });

  it('goes on when the watcher that asked for it is killed', async () => {
    const at = await swarm();
    at.first.write('B');
    await at.clock.advance(WINDOW_MS + TASK_MS);
    at.watchers[0]?.kill();
    at.first.startWatcher();
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B']);
    expect(at.first.lastDecision()?.reason).toBe('unchanged');
  });

  it('survives a manager that is lost and comes back', async () => {
    const at = await swarm();
    at.first.engineDown = fix.engineFailure();
    at.first.write('B');
    await at.clock.advance(HOUR_MS);
    at.first.engineDown = undefined;
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B']);
  });

  it('is complete also where the manager was lost while it went on', async () => {
    const at = await swarm();
    at.first.write('B');
    await at.clock.advance(WINDOW_MS + TASK_MS);
    at.first.engineDown = fix.engineFailure();
    await at.clock.advance(HOUR_MS);
    at.first.engineDown = undefined;
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B']);
    expect(at.first.events('restart_completed')).toHaveLength(2);
  });

  it('is left out where somebody has updated the service by hand since', async () => {
    const at = await swarm();
    at.first.write('B');
    await at.clock.advance(1_000);
    at.service.updateByHand();
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A']);
  });

  it('leaves a service alone that is scaled to nothing', async () => {
    const at = await swarm();
    at.service.scaleToNothing();
    at.first.write('B');
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A']);
    expect(at.first.events('broker_not_running')).toHaveLength(1);
  });
});

describe('an update that cannot be followed', () => {
  async function blinded() {
    const at = await swarm();
    at.first.write('B');
    await at.clock.advance(WINDOW_MS + TASK_MS);
    at.first.engineDown = fix.engineFailure({ cause: 'socket_missing', problem: 'there is no socket' });
    await at.clock.advance(HOUR_MS);
    return at;
  }

  it('is told as such, and nothing as suppressed or failed', async () => {
    const at = await blinded();
    const told = at.first.events('service_updating').at(-1)?.details;
    expect(told).toMatchObject({
      cause: 'socket_missing',
      message: expect.stringContaining('cannot be followed'),
    });
    expect(at.first.events('restart_failed', 'restart_suppressed_cooldown')).toEqual([]);
  });

  it('counts nothing', async () => {
    const at = await blinded();
    const { totals } = snapshotOf(at.first);
    expect(totals.suppressed.cooldown).toBe(0);
    expect(Object.values(totals.restartFailures).reduce((sum, count) => sum + count)).toBe(0);
  });

  it('is told as complete when the engine is back', async () => {
    const at = await blinded();
    at.first.engineDown = undefined;
    await at.clock.advance(HOUR_MS);
    expect(at.first.events('restart_completed').at(-1)?.details).toMatchObject({ fingerprint: 'B' });
    expect(fingerprints(at)).toEqual(['A', 'B']);
  });
});

describe('a service of which no task runs', () => {
  it('is left to its swarm while that starts them again, and is told so', async () => {
    const at = await swarm();
    at.service.tasksDie({ coming: 3 });
    at.first.write('B');
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A']);
    expect(at.first.events('broker_not_running').map(({ details }) => details['message'])).toEqual([
      'eclipse-mosquitto has no running task and is left alone: the swarm starts its tasks, and they read the new certificates then',
    ]);
  });

  it('is updated for a new set where the swarm has given up', async () => {
    const at = await swarm();
    at.service.tasksDie({ coming: 0 });
    at.first.write('B');
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B']);
  });

  it('and never has run is left to its swarm, and told as not started yet', async () => {
    const at = await swarm();
    at.service.tasksDie({ coming: 3, hasRun: false });
    at.first.write('B');
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A']);
    expect(at.first.events('broker_not_running')[0]?.details['message']).toMatch(/has not started yet/);
  });
});

describe('an update during which the files change', () => {
  it('is told as complete all the same, and the new set has an update of its own', async () => {
    const at = await swarm();
    at.first.write('B');
    await at.clock.advance(WINDOW_MS + TASK_MS);
    at.first.write('C');
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B', 'C']);
    const ended = at.first.events('restart_completed').map(({ details }) => details['fingerprint']);
    expect(ended).toEqual(['A', 'B', 'C']);
  });

  it('is told as failed all the same', async () => {
    const at = await swarm();
    at.service.taskFails = 'pauses';
    at.first.write('B');
    await at.clock.advance(WINDOW_MS + 1_000);
    at.first.write('C');
    await at.clock.advance(WINDOW_MS + 1_000);
    expect(at.first.events('broker_unhealthy')[0]?.details).toMatchObject({ fingerprint: 'B' });
  });
});

describe('an update at whose end a task is still being started', () => {
  /** A second after the end of the update for the set called `B`. */
  async function ended() {
    const at = await swarm();
    at.service.oneIsComing = true;
    at.first.write('B');
    await at.clock.advance(WINDOW_MS + 4 * TASK_MS + 2_000);
    return at;
  }

  it('is not told as failed before RESTART_VERIFY_TIMEOUT has passed, and says what it waits for', async () => {
    const at = await ended();
    await at.clock.advance(VERIFY_MS - 5_000);
    expect(at.first.events('broker_unhealthy')).toEqual([]);
    expect(at.first.events('service_updating').at(-1)?.details).toMatchObject({
      updated: 2,
      desired: 3,
      message: expect.stringMatching(/the swarm is starting the others/),
    });
  });

  it('is told as complete when all tasks run', async () => {
    const at = await ended();
    at.service.allHaveCome();
    await at.clock.advance(2_000);
    expect(at.first.events('restart_completed')).toHaveLength(2);
    expect(at.first.events('broker_unhealthy')).toEqual([]);
  });

  it('is told as unhealthy when they do not within RESTART_VERIFY_TIMEOUT, and not made again', async () => {
    const at = await ended();
    await at.clock.advance(VERIFY_MS);
    expect(at.first.events('broker_unhealthy')[0]?.details['error']).toMatch(/2 of 3 tasks run/);
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B']);
  });
});

describe('an update that a newer set comes upon', () => {
  it('is no failure of the watcher that had asked for it', async () => {
    const at = await swarm(2);
    at.first.write('B');
    await at.clock.advance(WINDOW_MS + TASK_MS);
    at.nodes[1]?.write('C');
    await at.clock.advance(24 * HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B', 'C']);
    expect(at.nodes.flatMap((node) => node.events('broker_unhealthy', 'restart_failed'))).toEqual([]);
  });
});

describe('an update that fails', () => {
  it.each(['pauses', 'rolls back'] as const)(
    'and %s is not asked for again, by anybody',
    async (taskFails) => {
      const at = await swarm(3);
      at.service.taskFails = taskFails;
      rotate(at.nodes, 'B');
      await at.clock.advance(24 * HOUR_MS);
      expect(fingerprints(at)).toEqual(['A', 'B']);
      for (const node of at.nodes) expect(node.events('broker_unhealthy').length).toBeGreaterThan(0);
    },
  );

  it.each(['pauses', 'rolls back'] as const)(
    'and %s is not asked for again by watchers that have just started',
    async (taskFails) => {
      const at = await swarm(2);
      at.service.taskFails = taskFails;
      rotate(at.nodes, 'B');
      await at.clock.advance(HOUR_MS);
      for (const [index, node] of at.nodes.entries()) {
        at.watchers[index]?.kill();
        node.startWatcher();
      }
      await at.clock.advance(24 * HOUR_MS);
      expect(fingerprints(at)).toEqual(['A', 'B']);
    },
  );

  it('and is called complete all the same is told as unhealthy, and not asked for again', async () => {
    const at = await swarm(2);
    at.service.taskFails = 'continues';
    rotate(at.nodes, 'B');
    await at.clock.advance(24 * HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B']);
    const told = at.nodes.flatMap((node) => node.events('broker_unhealthy'));
    expect(told.map(({ details }) => details['error'])).toEqual(['0 of 3 tasks run after its update']);
  });

  it.each(['pauses', 'rolls back'] as const)('and %s does not keep the next set back', async (taskFails) => {
    const at = await swarm(3);
    at.service.taskFails = taskFails;
    rotate(at.nodes, 'B');
    await at.clock.advance(HOUR_MS);
    at.service.taskFails = 'never';
    rotate(at.nodes, 'C');
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B', 'C']);
    expect(at.service.state().applied).toBe('C');
  });
});

describe('a node whose files are behind', () => {
  it('does not take the service back, and says so', async () => {
    const at = await swarm(2);
    at.first.write('B');
    await at.clock.advance(24 * HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B']);
    at.watchers[1]?.kill();
    at.nodes[1]?.startWatcher();
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B']);
    expect(at.nodes[1]?.events('set_outdated')[0]?.details).toMatchObject({ applied_fingerprint: 'B' });
  });

  it('has nothing to do when it gets the new ones', async () => {
    const at = await swarm(2);
    at.first.write('B');
    await at.clock.advance(HOUR_MS);
    at.nodes[1]?.write('B');
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B']);
  });

  it('is no longer behind where somebody puts the old set back on purpose', async () => {
    const at = await swarm(2);
    rotate(at.nodes, 'B');
    await at.clock.advance(HOUR_MS);
    rotate(at.nodes, 'A');
    await at.clock.advance(HOUR_MS);
    expect(fingerprints(at)).toEqual(['A', 'B', 'A']);
  });
});
