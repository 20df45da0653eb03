/** Reads what `systemctl show` prints: `Name=value`, one a line. */

import type { UnitState } from '../../core/model/unit.ts';
import { parseTimeSpan } from './time-span.ts';

export type Properties =
  | { readonly ok: true; readonly isThere: boolean; readonly unit: UnitState }
  | { readonly ok: false; readonly problem: string };

/** A unit without a limit is waited for this long. */
const ENDLESS_MS = 300_000;

/** CLD_EXITED: an exit, and not a signal. waitid(2) */
const EXITED = '1';

/** The state of a unit; not there if systemd knows no file for it. */
export function readProperties(text: string): Properties {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    const key = line.slice(0, at);
    // of several commands the first is the one that is started first
    if (at > 0 && !values.has(key)) values.set(key, line.slice(at + 1));
  }
  const read = (name: string) => values.get(name) ?? '';
  const active = read('ActiveState');
  if (read('Id') === '' || active === '') return { ok: false, problem: 'it is no description of a unit' };
  const [started, finished] = [
    timeOf(read('ExecMainStartTimestamp')),
    timeOf(read('InactiveEnterTimestamp')),
  ];
  if (started === undefined || finished === undefined)
    return { ok: false, problem: 'a time in the answer is not a date' };
  const [sub, result, load] = [read('SubState'), read('Result'), read('LoadState')];
  const isUp = ['active', 'reloading', 'refreshing'].includes(active);
  const isSuccess = result === '' || result === 'success';
  return {
    ok: true,
    isThere: load !== 'not-found',
    unit: {
      kind: 'unit',
      id: read('Id'),
      up: isUp,
      status: statusOf(active, sub, result, load),
      active,
      sub,
      result: isSuccess ? 'success' : result,
      masked: load === 'masked',
      frozen: read('FreezerState') === 'frozen',
      conditionUnmet: read('ConditionResult') === 'no',
      exitCode: read('ExecMainCode') === EXITED ? Number(read('ExecMainStatus')) : undefined,
      restartCount: Number(read('NRestarts')) || 0,
      startedAt: started.text,
      startedAtMs: earlier(started.ms, commandStart(read('ExecStart'))),
      finishedAt: finished.text,
      finishedAtMs: finished.ms,
      ofPodman: /\bpath=\S*\/podman\b/.test(read('ExecStart')),
      // it is asked to stop, and killed where it does not, each with its time
      restartNeedsMs: 2 * spanOf(read('TimeoutStopUSec')) + spanOf(read('TimeoutStartUSec')),
    },
  };
}

function statusOf(active: string, sub: string, result: string, load: string): string {
  if (load === 'masked' && active !== 'active') return 'masked';
  return `${active} (${active === 'failed' && result !== '' ? result : sub})`;
}

/** `Sat 2026-11-28 10:18:24.093157 UTC`; empty or `n/a` where there is none. Undefined: not understood. */
function timeOf(text: string): { readonly text: string; readonly ms: number | undefined } | undefined {
  if (text === '' || text === 'n/a' || text === '0') return { text: '', ms: undefined };
  const [, day, time] = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?) UTC$/.exec(text) ?? [];
  const iso = `${day}T${time}Z`;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? undefined : { text: iso, ms };
}

/**
 * When the command itself was started: a forking service, or Podman, has read its files before its main process is
 * known.
 */
function commandStart(command: string): number | undefined {
  const [, text = ''] = /start_time=\[([^\]]*)\]/.exec(command) ?? [];
  return timeOf(text)?.ms;
}

/** Of a start that has a main process. */
function earlier(mainMs: number | undefined, commandMs: number | undefined): number | undefined {
  if (mainMs === undefined || commandMs === undefined) return mainMs;
  return Math.min(mainMs, commandMs);
}

function spanOf(text: string): number {
  return Math.min(parseTimeSpan(text) ?? ENDLESS_MS, ENDLESS_MS);
}
