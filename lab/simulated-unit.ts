/** The broker of a simulated gateway as a unit of systemd: its container, described as `systemctl show` would. */

import type { Container } from '../src/adapters/engine/container.ts';
import type { Unit } from '../src/adapters/systemd/unit.ts';
import type { BrokerCondition } from '../src/core/model/broker-condition.ts';
import { type ContainerState, conditionOfContainer } from '../src/core/model/container.ts';
import type { UnitState } from '../src/core/model/unit.ts';
import * as fix from './core-fixtures.ts';

/** What systemd knows beyond the process: it is shared by all who ask it. */
export interface SimulatedSystemd {
  /** `FinishedAt` of a failed run whose failure has been reset: it looks as if somebody had stopped the unit */
  resetAt: string | undefined;
}

export function createSimulatedSystemd(): SimulatedSystemd {
  return { resetAt: undefined };
}

/**
 * The unit whose process is that of `container`. `alive` never resolves once the watcher is killed, so that it may be
 * killed between the reset of the start limit and the restart.
 */
export function asUnit(
  container: Container,
  systemd: SimulatedSystemd,
  change: Partial<UnitState>,
  alive: <T>(value: T) => Promise<T>,
): Unit {
  /** systemd has no ids: it means whatever bears the name at that moment */
  async function idNow(): Promise<string> {
    const answer = await container.inspect();
    return answer.ok ? answer.value.id : '';
  }
  return {
    async inspect(options) {
      const answer = await container.inspect(options);
      if (!answer.ok)
        return answer.cause === 'container_missing' ? { ...answer, cause: 'unit_missing' } : answer;
      return { ok: true, value: { ...unitOf(answer.value, systemd), ...change } };
    },
    async restart(before) {
      const isReset =
        before.kind === 'unit' && before.active === 'failed' && before.result === 'start-limit-hit';
      if (isReset) systemd.resetAt = before.finishedAt;
      await alive(undefined);
      return container.restart(await idNow(), 10);
    },
    signalHangup: async () => container.signalHangup(await idNow()),
  };
}

const STATES: Readonly<Partial<Record<BrokerCondition, readonly [active: string, sub: string]>>> = {
  crash_loop: ['activating', 'auto-restart'],
  stopping: ['deactivating', 'stop-sigterm'],
  stopped: ['inactive', 'dead'],
  removing: ['inactive', 'dead'],
  dead: ['inactive', 'dead'],
  crashed: ['failed', 'failed'],
};

function unitOf(state: ContainerState, { resetAt }: SimulatedSystemd): UnitState {
  const { startedAt, startedAtMs, finishedAt, finishedAtMs, exitCode } = state;
  const condition = conditionOfContainer(state);
  const isReset = condition === 'crashed' && finishedAt === resetAt;
  const [active, sub] = STATES[isReset ? 'stopped' : condition] ?? ['active', 'running'];
  return fix.unit(0, {
    up: active === 'active',
    active,
    sub,
    status: `${active} (${sub})`,
    result: active === 'failed' ? 'exit-code' : 'success',
    frozen: condition === 'paused',
    exitCode: state.up ? undefined : exitCode,
    startedAt,
    startedAtMs,
    finishedAt: finishedAtMs === undefined ? '' : finishedAt,
    finishedAtMs,
  });
}
