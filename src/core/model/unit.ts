/** A unit of systemd: what `systemctl show` says about it, and what follows from that. */

import type { BrokerCondition } from './broker-condition.ts';
import type { Comeback } from './container.ts';

/** A service of systemd that runs the broker. systemctl(1), org.freedesktop.systemd1(5) */
export interface UnitState {
  readonly kind: 'unit';
  /** its own name, also where an alias was asked for */
  readonly id: string;
  /** it is active: its main process runs, or it needs none */
  readonly up: boolean;
  /** for people: `active (running)`, `failed (start-limit-hit)`, `masked` */
  readonly status: string;
  /** `ActiveState` */
  readonly active: string;
  /** `SubState` */
  readonly sub: string;
  /** `Result`: how its last run ended, `success` while nothing has gone wrong */
  readonly result: string;
  /** nobody can start it before it is unmasked */
  readonly masked: boolean;
  /** its processes are suspended (`systemctl freeze`) */
  readonly frozen: boolean;
  /** a condition of the unit (`ConditionPathExists=` and the like) has kept its last start from happening */
  readonly conditionUnmet: boolean;
  /** the exit code of its main process; undefined while it runs, and where a signal has ended it */
  readonly exitCode: number | undefined;
  /** `NRestarts`: how often systemd has started it again by itself since somebody started it */
  readonly restartCount: number;
  /** the start of its main process in UTC, to the microsecond, for comparison; empty if there was none */
  readonly startedAt: string;
  /** when what it executes was started, which a forking service does before its main process is known */
  readonly startedAtMs: number | undefined;
  /** when it was last inactive; empty during its first run since the boot */
  readonly finishedAt: string;
  readonly finishedAtMs: number | undefined;
  /** it runs a container (Quadlet): its main process is Podman's monitor, not the broker */
  readonly ofPodman: boolean;
  /** how long systemd may take to stop it and to start it again */
  readonly restartNeedsMs: number;
}

/** A name without its type, and the instance of a template behind it. systemd.unit(5) */
const STEM = /^[A-Za-z0-9:_\\][A-Za-z0-9:_.\\-]*(@[A-Za-z0-9:_.\\-]+)?$/;

const LONGEST_NAME = 255;
const SERVICE = '.service';

/** Types of units that are no service; no broker runs in one of them. */
const OTHER_TYPE =
  /\.(socket|device|mount|automount|swap|target|path|timer|slice|scope|snapshot|container|kube|pod)$/;

/**
 * The full name of the service that `text` names, as systemctl understands it: `mosquitto` is `mosquitto.service`.
 * Undefined if it is no service, has characters that no name has, or is a template without an instance.
 */
export function serviceName(text: string): string | undefined {
  const stem = text.endsWith(SERVICE) ? text.slice(0, -SERVICE.length) : text;
  const name = `${stem}${SERVICE}`;
  return STEM.test(stem) && !OTHER_TYPE.test(stem) && name.length <= LONGEST_NAME ? name : undefined;
}

/** Between two attempts of its `Restart=`; before systemd 254 only `auto-restart`. */
const BETWEEN_ATTEMPTS: readonly string[] = [
  'auto-restart',
  'auto-restart-queued',
  'dead-before-auto-restart',
  'failed-before-auto-restart',
];

/**
 * Names the condition of a unit at one look. An inactive one was stopped, or never started, on purpose; one that crashed
 * is `failed`. One that is masked is not started by anybody, whatever it has done before.
 */
export function conditionOfUnit({ active, sub, masked, frozen }: UnitState): BrokerCondition {
  if (frozen && active === 'active') return 'paused';
  switch (active) {
    case 'active':
    case 'reloading':
    case 'refreshing':
      return 'well';
    case 'activating':
      return BETWEEN_ATTEMPTS.includes(sub) ? 'crash_loop' : 'starting';
    case 'deactivating':
      return 'stopping';
    case 'failed':
      return masked ? 'stopped' : 'crashed';
    default:
      return 'stopped';
  }
}

/** How its last run ended, in a clause about it: `it ended with exit-code 3`. */
export function endOfUnit({ result, exitCode, conditionUnmet, active }: UnitState): string {
  if (result === 'start-limit-hit')
    return 'systemd has given up after too many starts in a short time (start-limit-hit)';
  if (result !== 'success') {
    if (result !== 'exit-code') return `it has failed (${result})`;
    // the result is also that of the commands before and after it
    return exitCode === undefined ? 'a command of the unit has failed' : `it exited with code ${exitCode}`;
  }
  if (conditionUnmet) return 'a condition of the unit has kept systemd from starting it';
  return active === 'failed' ? 'it has failed' : `it ended with code ${exitCode ?? 0}`;
}

/** Judges how far a unit has recovered since it was seen as `before`. */
export function judgeUnitRecovery(before: Pick<UnitState, 'startedAt'>, now: UnitState): Comeback {
  const condition = conditionOfUnit(now);
  const isSameStart = now.startedAt === before.startedAt;
  switch (condition) {
    case 'well':
      return isSameStart ? { kind: 'waiting', why: 'systemd has not started it again' } : { kind: 'up' };
    case 'paused':
      return { kind: 'waiting', why: 'it is frozen' };
    case 'starting':
      return { kind: 'waiting', why: `it is still starting (${now.sub})` };
    case 'crash_loop':
      return { kind: 'waiting', why: `${endOfUnit(now)}, and systemd starts it again` };
    case 'stopping':
      return { kind: 'waiting', why: `it is being stopped (${now.sub})` };
    default:
      return { kind: isSameStart ? 'not_started' : 'down', why: endOfUnit(now) };
  }
}

/** What systemd is asked to do, as polkit calls it: `kill` lets its caller send any signal. */
export const UNIT_VERBS = ['restart', 'reset-failed', 'kill'] as const;
export type UnitVerb = (typeof UNIT_VERBS)[number];

/** The verbs that a watcher needs: `reset-failed` before each restart, `kill` only where it signals. */
export function neededVerbs(reloadStrategy: 'restart' | 'sighup'): readonly UnitVerb[] {
  return UNIT_VERBS.filter((verb) => verb !== 'kill' || reloadStrategy === 'sighup');
}
