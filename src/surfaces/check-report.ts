/** What `check` found, as an aligned table for a terminal and as JSON. */

import { type Assessment, brokerLevel, type Level, probeLevel } from '../core/assess.ts';
import { conditionOf } from '../core/broker.ts';
import type { Step } from '../core/decide.ts';
import { formatDuration } from '../core/duration.ts';
import { type EngineAccess, explainAccess } from '../core/engine-access.ts';
import type { EngineCall } from '../core/engine-calls.ts';
import type { Moment } from '../core/observation.ts';
import { probeSentence } from '../core/probe.ts';
import {
  assessmentAt,
  type BrokerStatus,
  type CertificateStatus,
  type CycleStatus,
  neverSeen,
  type Snapshot,
} from '../core/snapshot.ts';
import { clip } from '../core/summary.ts';
import { timestamp } from '../core/timestamp.ts';
import { statusDocument } from './status-json.ts';

export interface Examination {
  readonly snapshot: Snapshot;
  readonly now: Moment;
  /** what the daemon would do now */
  readonly steps: readonly Step[];
  /** what the engine's socket grants */
  readonly access: EngineAccess;
  /** the calls that it has to grant */
  readonly needed: readonly EngineCall[];
  readonly chain:
    | { readonly level: 'ok' | 'warning' | 'critical'; readonly message: string; readonly hint?: string }
    | undefined;
}

interface Row {
  readonly name: string;
  /** undefined: nothing to judge */
  readonly level: Level | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
}

const SEVERITY: Readonly<Record<Level, number>> = { ok: 0, unknown: 1, warning: 2, critical: 3 };

/** The worst of everything that was found. */
export function levelOf(examination: Examination): Level {
  return worst(summaryOf(examination).level, ...rowsOf(examination).map(({ level }) => level ?? 'ok'));
}

function worst(...levels: readonly Level[]): Level {
  return levels.toSorted((a, b) => SEVERITY[b] - SEVERITY[a])[0] ?? 'unknown';
}

/** The verdict in one sentence; a row that is worse than it speaks instead. */
function summaryOf(examination: Examination): Pick<Assessment, 'level' | 'sentence' | 'advice'> {
  const { snapshot, now } = examination;
  const assessment = assessmentAt(snapshot, now);
  if (snapshot.cycle?.files === 'changing') {
    const sentence = 'the certificate files are being written all the time';
    return { level: 'unknown', sentence, advice: 'look again when the agent that writes them is done' };
  }
  const [row] = rowsOf(examination)
    .filter(({ level }) => level !== undefined && SEVERITY[level] > SEVERITY[assessment.level])
    .toSorted((a, b) => SEVERITY[b.level ?? 'ok'] - SEVERITY[a.level ?? 'ok']);
  if (row?.level === undefined) return assessment;
  return { level: row.level, sentence: `${row.name}: ${row.message}`, advice: row.hint ?? 'see below' };
}

const COLOURS: Readonly<Record<Level, number>> = { ok: 32, warning: 33, critical: 31, unknown: 35 };
const WIDEST_LEVEL = 'critical'.length;

/** The verdict first, in the form of monitoring plugins, then a row for each thing that was looked at. */
export function examinationTable(examination: Examination, color: boolean): string {
  const paint = (level: Level, text: string) => (color ? `\u001b[${COLOURS[level]}m${text}\u001b[0m` : text);
  const dim = (text: string) => (color ? `\u001b[2m${text}\u001b[0m` : text);
  const { level, sentence, advice } = summaryOf(examination);
  const rows = rowsOf(examination);
  const width = Math.max(...rows.map(({ name }) => name.length));
  const indent = ' '.repeat(width + WIDEST_LEVEL + 6);
  const lines = rows.flatMap((row, index) => {
    const word = (row.level ?? '-').padEnd(WIDEST_LEVEL);
    const first = `  ${row.name.padEnd(width)}  ${row.level ? paint(row.level, word) : word}  ${row.message}`;
    const isSaidBelow = row.hint === rows[index + 1]?.hint;
    return row.hint === undefined || isSaidBelow ? [first] : [first, `${indent}${dim(row.hint)}`];
  });
  return `${paint(level, level.toUpperCase())}: ${sentence}\n${dim(advice)}\n\n${lines.join('\n')}\n`;
}

/** The document of `/status.json`, and beside it what only `check` knows. */
export function examinationJson(examination: Examination, version: string, exitCode: number): string {
  const { snapshot, now, access, chain } = examination;
  const { level, sentence, advice } = summaryOf(examination);
  const rows = rowsOf(examination).map((row) => ({
    ...row,
    level: row.level ?? null,
    hint: row.hint ?? null,
  }));
  const document = {
    ...statusDocument(snapshot, version, now),
    status: level,
    summary: sentence,
    advice,
    check: { exit_code: exitCode, would_do: wouldDo(examination), engine_access: access, chain, rows },
  };
  return `${JSON.stringify(document, (_key, value) => (value === undefined ? null : value), 2)}\n`;
}

function wouldDo({ steps, snapshot }: Examination): 'restart' | 'wait' | 'nothing' {
  if (steps.some(({ kind }) => kind === 'restart')) return 'restart';
  return snapshot.cycle?.pending === true ? 'wait' : 'nothing';
}

function rowsOf(examination: Examination): readonly Row[] {
  const { snapshot, chain } = examination;
  const { cycle, settings } = snapshot;
  if (cycle === undefined) return [];
  return [
    ...filesRows(cycle, settings.certDir),
    ...cycle.certificates.map((certificate) => certificateRow(certificate, settings.expiryWarnDays)),
    ...pairRows(snapshot, cycle),
    ...(chain === undefined ? [] : [{ name: 'chain', ...chain }]),
    upstreamRow(snapshot),
    ...brokerRows(snapshot),
    ...snapshot.brokers.flatMap(bridgeRows),
    accessRow(examination),
    daemonRow(examination, cycle),
  ].map((row) => ({ ...row, message: clip(row.message) }));
}

function filesRows({ files, complaints }: CycleStatus, certDir: string): Row[] {
  if (files === 'complete') return [{ name: 'files', level: 'ok', message: `complete in ${certDir}` }];
  if (files === 'changing')
    return [{ name: 'files', level: 'unknown', message: `being written in ${certDir}` }];
  const level = files === 'incomplete' ? 'warning' : 'critical';
  return complaints.map(({ file, problem, hint }) => ({
    name: 'files',
    level,
    message: `${file} ${problem}`,
    hint,
  }));
}

const VALIDITY = {
  valid: { level: 'ok', word: 'valid until' },
  expiring: { level: 'warning', word: 'expires on' },
  expired: { level: 'critical', word: 'expired on' },
  not_yet_valid: { level: 'warning', word: 'not valid before' },
} as const;

/** An expired CA certificate need not be the one that the upstream uses: a warning. */
function certificateRow(certificate: CertificateStatus, warnDays: number): Row {
  const { state, role, subject, notBeforeMs, notAfterMs, daysRemaining } = certificate;
  const { level, word } = VALIDITY[state];
  const date = timestamp(state === 'not_yet_valid' ? notBeforeMs : notAfterMs);
  const days = state === 'valid' || state === 'expiring' ? `, ${daysRemaining} days left` : '';
  const hint = state === 'expiring' ? `less than ${warnDays} days: renew it` : undefined;
  const message = `${subject}, ${word} ${date}${days}`;
  return { name: role, level: role === 'ca' && level === 'critical' ? 'warning' : level, message, hint };
}

function pairRows({ settings }: Snapshot, { files, pair }: CycleStatus): Row[] {
  if (files !== 'complete') return [];
  const key = settings.clientKeyFile;
  switch (pair) {
    case 'matches':
      return [{ name: 'key', level: 'ok', message: `${key} belongs to the client certificate` }];
    case 'does_not_match':
      return [{ name: 'key', level: 'critical', message: `${key} belongs to another certificate` }];
    case 'not_checked':
      return [{ name: 'key', level: undefined, message: `${key} was not compared: only the probe opens it` }];
  }
}

function upstreamRow({ settings, lastProbe }: Snapshot): Row {
  const name = 'upstream';
  const { upstream } = settings;
  const address = upstream && `${upstream.host}:${upstream.port}`;
  if (!settings.probeEnabled)
    return { name, level: undefined, message: 'not asked: ENABLE_TLS_PROBE is false' };
  if (lastProbe === undefined) return { name, level: undefined, message: `${address} was not asked` };
  const { verdict } = lastProbe;
  if (verdict.ok) {
    const word = verdict.proof === 'connack' ? 'let us log in' : 'raised no objection';
    const took = `${verdict.protocol ?? 'TLS'}, ${formatDuration(verdict.durationMs)}`;
    return { name, level: 'ok', message: `${address} ${word} (${took})` };
  }
  const message = `${probeSentence(verdict)}: ${verdict.cause}, ${verdict.error}`;
  return { name, level: probeLevel(verdict), message, hint: verdict.hint };
}

function brokerRows({ brokers, settings }: Snapshot): Row[] {
  return brokers.length === 0 ? [brokerRow(neverSeen(settings.container))] : brokers.map(brokerRow);
}

function brokerRow({ container, seen, engineFailure }: BrokerStatus): Row {
  const name = 'broker';
  if (engineFailure !== undefined) {
    const { problem, hint } = engineFailure.failure;
    return { name, level: 'warning', message: problem, hint };
  }
  const state = seen?.state;
  if (state === undefined) return { name, level: undefined, message: `${container} was not asked about` };
  const health = state.health === undefined ? '' : `, ${state.health}`;
  const condition = conditionOf(state);
  const since = state.startedAtMs === undefined ? '' : `, started ${timestamp(state.startedAtMs)}`;
  return {
    name,
    level: condition === 'well' ? 'ok' : brokerLevel(condition),
    message: `${container} is ${state.status}${health}${since}`,
  };
}

/** A bridge that is down is a warning: what to do about it stands in the row of the upstream. */
function bridgeRows({ container, bridges }: BrokerStatus): Row[] {
  const name = 'bridge';
  if (bridges === undefined) return [];
  if (!bridges.ok) return [{ name, level: 'warning', message: bridges.problem, hint: bridges.hint }];
  if (bridges.bridges.length === 0)
    return [{ name, level: undefined, message: `${container} tells of no bridge` }];
  return bridges.bridges.map(({ connection, up }) => ({
    name,
    level: up ? 'ok' : 'warning',
    message: `${connection} of ${container} is ${up ? 'connected' : 'down'}`,
  }));
}

/** What is granted beyond need is good to know, and nothing that is wrong with a certificate. */
function accessRow({ access, needed }: Examination): Row {
  const level = access.kind === 'unknown' ? undefined : 'ok';
  return { name: 'Docker socket', level, ...explainAccess(access, needed) };
}

function daemonRow(examination: Examination, { sentence, waitsUntilMs }: CycleStatus): Row {
  const words = {
    restart: 'would restart the broker now',
    wait: waitsUntilMs === undefined ? 'would wait' : `would wait until ${timestamp(waitsUntilMs)}`,
    nothing: 'would do nothing',
  } as const;
  return { name: 'daemon', level: undefined, message: `${words[wouldDo(examination)]}: ${sentence}` };
}
