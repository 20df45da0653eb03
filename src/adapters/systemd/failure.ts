/** Calls of systemctl that failed: why, whether systemd may have acted all the same, and what to try. */

import type { EngineCause, EngineFailure } from '../../core/model/broker.ts';
import { clip } from '../../core/text/clip.ts';
import { formatSeconds } from '../../core/text/duration.ts';
import { printable } from '../../core/text/printable.ts';
import type { Ran } from './systemctl.ts';

/** A call, for people. */
export interface Call {
  readonly unit: string;
  /** `restarting` */
  readonly doing: string;
  /** `restart`: as polkit calls it */
  readonly verb: string;
  readonly timeoutMs: number;
  /** it asks systemd to do something */
  readonly acts: boolean;
}

interface Kind {
  readonly cause: EngineCause;
  readonly hint: (call: Call) => string;
  /** systemd may have acted; undefined: certainly not */
  readonly mayHaveHappened?: true;
  readonly overruled?: true;
}

const seeStatus = ({ unit }: Call) => `see systemctl status ${unit} and journalctl -u ${unit}`;

const UNREACHABLE: Kind = {
  cause: 'unreachable',
  hint: () =>
    'is this a machine that systemd has booted, with dbus running? A container needs /run/systemd and /run/dbus of its host',
};

const NOT_ON_THE_BUS: Kind = {
  cause: 'unreachable',
  hint: () =>
    'the system bus does not take this user: a purely dynamic one (DynamicUser=yes) needs a static entry of its name (sysusers.d) on Debian 12',
};

const DENIED: Kind = {
  cause: 'permission_denied',
  hint: ({ verb }) =>
    `let polkit grant ${verb} to this user: mosquitto-cert-watcher unit-policy prints the rule`,
};

const MISSING: Kind = {
  cause: 'unit_missing',
  hint: () =>
    'check MOSQUITTO_UNIT (systemctl list-units --type=service); the watcher waits for the unit to appear',
};

const REFUSED: Kind = {
  cause: 'call_refused',
  hint: ({ unit }) => `see what systemd says; a masked unit needs systemctl unmask ${unit}`,
};

const CANCELLED: Kind = {
  cause: 'engine_error',
  hint: ({ unit }) => `somebody has stopped or started ${unit} at the same moment: see journalctl -u ${unit}`,
  mayHaveHappened: true,
  overruled: true,
};

const FAILED: Kind = { cause: 'engine_error', hint: seeStatus, mayHaveHappened: true };

const LOST: Kind = { cause: 'connection_lost', hint: seeStatus, mayHaveHappened: true };

/** What systemctl says in English, the special before the general: src/systemctl and src/shared/bus-*.c of systemd. */
const SAID: readonly (readonly [RegExp, Kind])[] = [
  [/not been booted with systemd|Failed to connect (to )?.*bus|Failed to get D-Bus connection/i, UNREACHABLE],
  [/authentication required|Access denied|Permission denied|not authorized/i, DENIED],
  [/^Job for .* cancell?ed/im, CANCELLED],
  [/^Job for |^A dependency job for /im, FAILED],
  [/is masked|bad unit file setting|Operation refused|is destructive|not loaded properly/i, REFUSED],
  [/No main process to kill|no process to kill/i, REFUSED],
  [/ not found| not loaded|could not be found|No such unit/i, MISSING],
];

const ENDPOINT = /Transport endpoint is not connected/i;
const CUT =
  /Connection (terminated|reset|closed|timed out)|disconnected from message bus|No reply|Broken pipe|Failed to wait|Transport endpoint/i;

/** Why this call has failed; undefined if it has not. */
export function failureOf(ran: Ran, call: Call): EngineFailure | undefined {
  if (ran.kind === 'ended' && ran.code === 0) return undefined;
  const { unit, doing, acts, timeoutMs } = call;
  const about = `${doing} ${unit}`;
  switch (ran.kind) {
    case 'not_started':
      return notStarted(ran.code);
    case 'timeout':
      return failure(
        'timeout',
        `${about}: no answer within ${formatSeconds(timeoutMs)}`,
        seeStatus(call),
        acts,
      );
    case 'killed':
      return failure(
        'connection_lost',
        `${about}: systemctl was ended by ${ran.signal}`,
        seeStatus(call),
        acts,
      );
    case 'abandoned':
      return failure('connection_lost', `${about}: the call was given up`, seeStatus(call), false);
    case 'ended': {
      const { cause, hint, mayHaveHappened, overruled } = kindOf(ran.stderr, call);
      const problem = `${about}: ${saidIn(ran.stderr) || `systemctl ended with ${ran.code}`}`;
      const failed = failure(cause, problem, hint(call), acts && mayHaveHappened === true);
      return overruled === true ? { ...failed, overruled } : failed;
    }
  }
}

function kindOf(text: string, { acts }: Call): Kind {
  const [, kind] = SAID.find(([pattern]) => pattern.test(text)) ?? [];
  if (kind !== undefined) return kind;
  if (!acts && ENDPOINT.test(text)) return NOT_ON_THE_BUS;
  return CUT.test(text) ? LOST : FAILED;
}

function notStarted(code: string): EngineFailure {
  if (code === 'ENOENT' || code === 'EACCES') {
    const hint =
      'MOSQUITTO_UNIT needs the watcher on the host itself (the Debian package or the executable), not in its image';
    return failure('systemctl_missing', `there is no systemctl here that can be run (${code})`, hint, false);
  }
  const hint = 'the machine has no room for another process: see its memory and its limits';
  return failure('unreachable', `systemctl could not be started (${code})`, hint, false);
}

/** The first line, which is about the fault; those after it tell how to see more. */
function saidIn(stderr: string): string {
  const [line = ''] = stderr.trim().split('\n');
  return clip(printable(line.replace(/\.$/, '')));
}

/** A failure of a conversation with systemd. */
export function failure(
  cause: EngineCause,
  problem: string,
  hint: string,
  mayHaveHappened: boolean,
): EngineFailure {
  return { ok: false, cause, problem, hint, mayHaveHappened };
}

/** There is no unit of this name. */
export function unitMissing(unit: string): EngineFailure {
  const call = { unit, doing: 'inspecting', verb: 'show', timeoutMs: 0, acts: false };
  return failure('unit_missing', `there is no unit ${unit}`, MISSING.hint(call), false);
}

/** systemctl has said something that is not understood. */
export function badAnswer(unit: string, why: string): EngineFailure {
  const hint = 'the watcher needs systemd 247 or newer (systemctl --version)';
  return failure('bad_answer', `inspecting ${unit}: ${why}`, hint, false);
}
