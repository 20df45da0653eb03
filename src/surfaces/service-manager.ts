/**
 * Keeps a service manager informed beside the loop: ready, status, signs of life. What it is told is decided in
 * core/status/service-state.ts.
 */

import type { Moment } from '../core/model/files.ts';
import type { Settings } from '../core/model/settings.ts';
import { REPEAT_MS } from '../core/news/announce.ts';
import type { Announcement } from '../core/news/events.ts';
import type { Publication } from '../core/status/cycle.ts';
import { createHistory, record } from '../core/status/history.ts';
import { stateDue, TOLD_NO_STATE } from '../core/status/service-state.ts';
import { backoffMs } from '../core/text/backoff.ts';

export interface ReporterParts {
  readonly settings: Settings;
  /** the two clocks and waiting, see adapters/clock.ts */
  readonly time: { now(): Moment; sleep(ms: number, signal: AbortSignal): Promise<void> };
  /** undefined: it does not wait for signs of life */
  readonly watchdogMs: number | undefined;
  /** resolves with why the message has not arrived, if it has not; always ends, and never rejects */
  readonly send: (assignments: readonly string[], signal: AbortSignal) => Promise<string | undefined>;
  readonly say: (announcement: Announcement) => void;
}

export interface Reporter {
  /** Records what the loop has published; returns at once. */
  show(publication: Publication): void;
  /** Ends every attempt and every wait, at once. */
  close(): void;
}

/** Each message is a process, so what changes within this time is one message. */
const CLOSEST_MS = 1_000;

/** A loop that is stuck publishes nothing: it is noticed after this time, if no sign of life is due earlier. */
const LOOK_AGAIN_MS = 60_000;

export function startReporter({ settings, time, watchdogMs, send, say }: ReporterParts): Reporter {
  const stop = new AbortController();
  /** ends a wait because there may be something to tell */
  let nudge = new AbortController();
  let history = createHistory(settings, time.now());
  let told = TOLD_NO_STATE;
  let failures = 0;
  let saidAtMonoMs = Number.NEGATIVE_INFINITY;
  // one that is late by as much again still arrives in time
  const everyMs = watchdogMs === undefined ? undefined : watchdogMs / 2;
  const closestMs = Math.min(CLOSEST_MS, (everyMs ?? 2 * CLOSEST_MS) / 2);
  const longestMs = Math.min(LOOK_AGAIN_MS, everyMs ?? LOOK_AGAIN_MS);

  async function tell() {
    const { assignments, state } = stateDue(told, history.snapshot, time.now(), everyMs);
    if (assignments.length === 0) return;
    const problem = await send(assignments, stop.signal);
    if (stop.signal.aborted) return;
    if (problem === undefined) {
      told = state;
      failures = 0;
    } else fail(problem);
    await time.sleep(failures === 0 ? closestMs : backoffMs(failures, closestMs, longestMs), stop.signal);
  }

  function fail(problem: string) {
    failures += 1;
    const { monoMs } = time.now();
    if (monoMs - saidAtMonoMs < REPEAT_MS) return;
    saidAtMonoMs = monoMs;
    say({
      event: 'watch_degraded',
      details: {
        part: 'service_manager',
        message: `the service manager cannot be told that the watcher is ready and alive: ${problem}`,
        hint: 'install systemd-notify, which is in the package systemd, or start the watcher without NOTIFY_SOCKET (Type=exec)',
      },
    });
  }

  async function run() {
    while (!stop.signal.aborted) {
      nudge = new AbortController();
      await tell();
      if (failures === 0) await time.sleep(untilNextMs(), nudge.signal);
    }
  }

  /** Until a sign of life is due, or the loop counts as stuck. */
  function untilNextMs(): number {
    const { monoMs } = time.now();
    const dueMs = (told.aliveAtMonoMs ?? monoMs) + longestMs - monoMs;
    const stuckMs = history.snapshot.aliveUntilMonoMs + 1 - monoMs;
    return Math.min(longestMs, ...[dueMs, stuckMs].filter((ms) => ms > 0));
  }

  void run();
  return {
    show(publication) {
      history = record(history, publication);
      if (publication.cycle !== undefined) nudge.abort();
    },
    close() {
      stop.abort();
      nudge.abort();
    },
  };
}
