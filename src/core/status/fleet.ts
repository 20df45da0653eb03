/** The state of a fleet, worst first: what each gateway says of itself, and what follows from its silence. Pure. */

import type { Gateway, GatewayReport } from '../model/gateway.ts';
import { timeLeft } from '../text/time-left.ts';
import type { Level } from './assess.ts';

/** One gateway at one moment. */
export interface GatewayStatus {
  readonly topic: string;
  readonly level: Level;
  /** one word, the same for gateways with the same trouble; undefined: all is well */
  readonly cause: string | undefined;
  readonly sentence: string;
  readonly advice: string | undefined;
  /** negative once expired */
  readonly daysLeft: number | undefined;
  readonly gateway: Gateway;
}

/** Gateways with the same trouble. */
export interface GatewayGroup {
  readonly level: Level;
  readonly cause: string | undefined;
  /** what to try, if it is the same for most of them */
  readonly advice: string | undefined;
  /** those whose certificate ends first come first */
  readonly members: readonly GatewayStatus[];
}

export interface Fleet {
  /** the worst; `unknown` if there is no gateway */
  readonly level: Level;
  readonly counts: Readonly<Record<Level, number>>;
  /** worst first, of the same level the largest first */
  readonly groups: readonly GatewayGroup[];
}

const DAY_MS = 86_400_000;

/** A watcher publishes every hour; one that has missed two of these is silent. */
const SILENT_MS = 2 * 3_600_000 + 600_000;

/** A clock that is ahead by more than this is wrong, not inaccurate. */
const AHEAD_MS = 300_000;

const RANK: Readonly<Record<Level, number>> = { critical: 0, warning: 1, unknown: 2, ok: 3 };

export function fleetOf(gateways: Iterable<Gateway>, nowMs: number): Fleet {
  const counts = { critical: 0, warning: 0, unknown: 0, ok: 0 };
  const byTrouble = new Map<string, GatewayStatus[]>();
  for (const gateway of gateways) {
    const status = statusOf(gateway, nowMs);
    counts[status.level] += 1;
    const key = `${status.level} ${status.cause}`;
    const members = byTrouble.get(key);
    if (members === undefined) byTrouble.set(key, [status]);
    else members.push(status);
  }
  const groups = [...byTrouble.values()]
    .map(groupOf)
    .toSorted((a, b) => RANK[a.level] - RANK[b.level] || b.members.length - a.members.length);
  return { level: groups[0]?.level ?? 'unknown', counts, groups };
}

function groupOf(members: readonly GatewayStatus[]): GatewayGroup {
  const { level = 'unknown', cause } = members[0] ?? {};
  return { level, cause, advice: mostFrequent(members), members: members.toSorted(byUrgency) };
}

function byUrgency(a: GatewayStatus, b: GatewayStatus): number {
  const days = (a.daysLeft ?? Number.POSITIVE_INFINITY) - (b.daysLeft ?? Number.POSITIVE_INFINITY);
  // two that are not known differ by NaN
  return days || compareNames(a.topic, b.topic);
}

const BY_NUMBER = new Intl.Collator('en', { numeric: true });

/** `edge-2` comes before `edge-10`. */
function compareNames(a: string, b: string): number {
  return BY_NUMBER.compare(a, b);
}

function mostFrequent(members: readonly GatewayStatus[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { advice } of members)
    if (advice !== undefined) counts.set(advice, (counts.get(advice) ?? 0) + 1);
  let best: string | undefined;
  for (const [advice, count] of counts) if (count > (counts.get(best ?? '') ?? 0)) best = advice;
  return best;
}

/** What is known of a gateway; nothing that it said is worth more than that it is still there. */
export function statusOf(gateway: Gateway, nowMs: number): GatewayStatus {
  const { topic, report } = gateway;
  const leftMs = report?.notAfterMs === undefined ? undefined : report.notAfterMs - nowMs;
  const daysLeft = leftMs === undefined ? undefined : Math.floor(leftMs / DAY_MS);
  return { topic, daysLeft, gateway, ...troubleOf(gateway, nowMs) };
}

type Trouble = Pick<GatewayStatus, 'level' | 'cause' | 'sentence' | 'advice'>;

function troubleOf({ report, problem, isOnline }: Gateway, nowMs: number): Trouble {
  const last = report === undefined ? '' : `; last reported: ${report.sentence}`;
  if (isOnline === false) {
    const sentence = `its watcher is not connected to its broker${last}`;
    return { level: 'critical', cause: 'offline', sentence, advice: ADVICE.offline };
  }
  if (problem !== undefined)
    return { level: 'unknown', cause: 'unreadable', sentence: problem, advice: ADVICE.unreadable };
  if (report === undefined) {
    const sentence = 'has not reported its state';
    return { level: 'unknown', cause: 'no_state', sentence, advice: ADVICE.noState };
  }
  if (nowMs - report.atMs > SILENT_MS) {
    const sentence = `has reported nothing${ago(report, nowMs)}${last}`;
    return { level: 'critical', cause: 'silent', sentence, advice: ADVICE.silent };
  }
  return ofReport(report, nowMs);
}

/** What a gateway says of itself, and what time has made of it since. */
function ofReport(report: GatewayReport, nowMs: number): Trouble {
  const { level, cause, sentence, advice, notAfterMs, expiringFromMs, atMs } = report;
  const own = { level, cause: level === 'ok' ? undefined : firstWord(cause ?? level), sentence, advice };
  if (level === 'critical') return own;
  if (notAfterMs !== undefined && notAfterMs <= nowMs) {
    return {
      level: 'critical',
      cause: 'cert_expired',
      sentence: 'the client certificate has expired since its last report',
      advice: ADVICE.renew,
    };
  }
  if (level === 'warning') return own;
  if (expiringFromMs !== undefined && expiringFromMs <= nowMs && level === 'ok') {
    const since = 'the client certificate has become expiring since its last report';
    return { level: 'warning', cause: 'cert_expiring', sentence: since, advice: ADVICE.renew };
  }
  if (atMs - nowMs > AHEAD_MS) {
    const { count, unit } = timeLeft(atMs - nowMs);
    const ahead = `its clock is ${count} ${unit} ahead of this one; ${sentence}`;
    return { level: 'warning', cause: 'clock', sentence: ahead, advice: ADVICE.clock };
  }
  return own;
}

/** Without the file or broker that a cause may name. */
function firstWord(cause: string): string {
  return cause.split(' ', 1)[0] ?? cause;
}

function ago(report: GatewayReport | undefined, nowMs: number): string {
  if (report === undefined) return '';
  const { count, unit } = timeLeft(nowMs - report.atMs);
  return ` for ${count} ${unit}`;
}

const ADVICE = {
  offline:
    'see whether the watcher and its broker run; if the gateway is gone for good, clear what is retained at its topics',
  unreadable:
    'see what publishes there, and that it is this program; an older fleet command cannot read newer gateways',
  noState: 'wait for its first look; if this stays, see the log of its watcher',
  silent: 'see whether the gateway is on, and its bridge up; or its clock is behind',
  renew: 'renew it, and find out why the agent has not',
  clock: 'set the clock of the gateway: certificates are judged by it',
} as const;
