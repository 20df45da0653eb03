/** The judgement about a second watcher of the same broker: one of them goes first, and the others wait. */

import { yieldsTo } from '../model/rivals.ts';
import type { Statement } from '../news/condition.ts';
import type { SetSituation } from '../situation.ts';
import { timestamp } from '../text/timestamp.ts';
import type { Verdict } from './verdict.ts';

/** A search for other watchers takes a few milliseconds; one that hangs delays no restart for longer than this. */
const LOOK_AROUND_MS = 1_000;

/** While another watcher goes first, the broker is looked at this often. */
export const YIELD_LOOK_MS = 500;

/** The broker, which may be between its stop and its start, is judged once the other watcher has had its time. */
export function anotherWatcher(situation: SetSituation): Verdict | undefined {
  const { now, name, broker, site, memory, files, settings, stableAtMonoMs } = situation;
  if (broker?.ok !== true || broker.value.kind === 'service') return undefined;
  const { watchers, lot } = site;
  const { yielding, isAlone } = memory;
  const lookEndsMonoMs = stableAtMonoMs + LOOK_AROUND_MS;
  if (watchers?.running === true && watchers.atMonoMs === undefined && now.monoMs < lookEndsMonoMs) {
    return {
      sentence: 'checking whether another watcher watches the broker',
      pending: true,
      untilMonoMs: lookEndsMonoMs,
    };
  }
  const { fingerprint, identity } = files;
  const rival = yieldsTo(watchers?.seen, broker.value, { name, lot, isAlone, fingerprint }, settings);
  if (rival === undefined) return undefined;
  const sinceMonoMs = yielding?.identity === identity ? yielding.sinceMonoMs : now.monoMs;
  const untilMonoMs = sinceMonoMs + rival.patienceMs;
  if (now.monoMs >= untilMonoMs) return undefined;
  const yielded: Statement = {
    event: 'restart_deferred',
    about: 'another_watcher',
    subject: fingerprint,
    details: {
      reason: 'another_watcher',
      fingerprint,
      not_before: timestamp(now.wallMs + untilMonoMs - now.monoMs),
    },
    message:
      rival.first === undefined
        ? `another watcher has restarted ${name} before: this one waits to see whether it does so again`
        : `another watcher of ${name} (${rival.first}) goes first`,
  };
  return {
    sentence: yielded.message,
    conditions: [yielded],
    step: { kind: 'yield', container: name, identity },
    pending: true,
    untilMonoMs: Math.min(now.monoMs + YIELD_LOOK_MS, untilMonoMs),
  };
}
