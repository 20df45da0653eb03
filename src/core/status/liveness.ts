/** Whether the loop is running, and the overall state if it is not. */

import type { Decision } from '../decision/decide.ts';
import { RECONNECT_MS } from '../model/bridge.ts';
import type { BrokerState } from '../model/broker.ts';
import type { Moment } from '../model/files.ts';
import type { Settings } from '../model/settings.ts';
import { formatDuration } from '../text/duration.ts';
import type { Assessment, Finding } from './assess.ts';
import type { Snapshot } from './snapshot.ts';

/** Long enough for two slow conversations with the engine and a slow disk. */
const CYCLE_MARGIN_MS = 30_000;

/** The same values as for a restart: an engine's default grace, an unlimited grace, and the margins of its calls. */
const DEFAULT_STOP_MS = 10_000;

const ENDLESS_STOP_MS = 300_000;

const RESTART_MARGIN_MS = 60_000;

/** Whether the loop is running: its last cycle is recent, or a restart is in progress and within its timeouts. */
export function isAlive(snapshot: Snapshot, monoMs: number): boolean {
  return monoMs <= snapshot.aliveUntilMonoMs;
}

/** The overall state at this moment: that of the last cycle, unless there has been none for too long. */
export function assessmentAt(snapshot: Snapshot, { monoMs }: Moment): Assessment {
  if (isAlive(snapshot, monoMs)) return snapshot.assessment;
  const { cycle, started, assessment } = snapshot;
  const silence = formatDuration(monoMs - (cycle?.at ?? started).monoMs);
  const stuck: Finding = {
    level: 'critical',
    about: 'watcher',
    cause: 'stuck',
    sentence: `the watcher is stuck: its last cycle ended ${silence} ago`,
    advice: 'see whether the certificate directory hangs (a dead network mount), then restart the watcher',
  };
  const advice = stuck.advice ?? '';
  return { ...stuck, advice, findings: [stuck, ...assessment.findings] };
}

/** Milliseconds within which the next cycle has to follow. */
export function cycleAllowance({ checkIntervalMs }: Settings): number {
  return 2 * checkIntervalMs + CYCLE_MARGIN_MS;
}

/** What the broker may take to stop and, for a unit of systemd, also to start. */
function graceOf(broker: BrokerState, { stopTimeoutMs }: Settings): number {
  if (broker.kind === 'unit') return broker.restartNeedsMs;
  const stopTimeoutS = broker.kind === 'container' ? broker.stopTimeoutS : undefined;
  const ownMs = stopTimeoutS === undefined ? DEFAULT_STOP_MS : stopTimeoutS * 1_000;
  return stopTimeoutMs ?? (ownMs < 0 ? ENDLESS_STOP_MS : ownMs);
}

/** Milliseconds that the restart requested by this cycle may take with all its timeouts; 0 without one. */
export function restartAllowance({ steps, situation: { settings } }: Decision): number {
  const step = steps.find(({ kind }) => kind === 'restart');
  if (step?.kind !== 'restart') return 0;
  const graceMs = graceOf(step.broker, settings);
  const reloadMs =
    settings.reloadStrategy === 'sighup'
      ? Math.max(settings.verifyTimeoutMs, RECONNECT_MS) + RESTART_MARGIN_MS
      : 0;
  return reloadMs + graceMs + settings.verifyTimeoutMs + RESTART_MARGIN_MS;
}
