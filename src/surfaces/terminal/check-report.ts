/** What `check` found, as an aligned table for a terminal and as JSON. */

import { conditionOf, healthOf } from '../../core/model/broker.ts';
import type { Moment } from '../../core/model/files.ts';
import { looksAfter, type OtherWatcher } from '../../core/model/rivals.ts';
import { leafName } from '../../core/model/settings.ts';
import type { Step } from '../../core/model/step.ts';
import { type Assessment, brokerAdvice, brokerLevel, type Level } from '../../core/status/assess.ts';
import { assessmentAt } from '../../core/status/liveness.ts';
import {
  type BrokerStatus,
  type CertificateStatus,
  type CycleStatus,
  neverSeen,
  type Snapshot,
} from '../../core/status/snapshot.ts';
import { clip } from '../../core/text/clip.ts';
import { timeLeft } from '../../core/text/time-left.ts';
import { timestamp } from '../../core/text/timestamp.ts';
import { documentText, statusDocument } from '../web/status-json.ts';
import { accessRow, type Rights, unitRows } from './access-rows.ts';
import { incomingRows, levelBesideLive } from './incoming-rows.ts';
import { accessRows, listenerRows } from './listener-rows.ts';
import type { Row } from './row.ts';
import { setRows } from './set-rows.ts';
import { upstreamRow } from './upstream-row.ts';
import { daemonRow, wouldDo } from './would-do.ts';

export interface Examination extends Rights {
  readonly now: Moment;
  /** what the daemon would do now */
  readonly steps: readonly Step[];
  /** the watchers that are running, not counting this command */
  readonly watchers: readonly OtherWatcher[];
  readonly pageRows: readonly Row[];
  readonly chain:
    | { readonly level: 'ok' | 'warning' | 'critical'; readonly message: string; readonly hint?: string }
    | undefined;
}

const SEVERITY: Readonly<Record<Level, number>> = { ok: 0, unknown: 1, warning: 2, critical: 3 };

/** The worst level that was found. */
export function levelOf(examination: Examination): Level {
  return worst(summaryOf(examination).level, ...rowsOf(examination).map(({ level }) => level ?? 'ok'));
}

function worst(...levels: readonly Level[]): Level {
  return levels.toSorted((a, b) => SEVERITY[b] - SEVERITY[a])[0] ?? 'unknown';
}

/** The verdict in one sentence; a row with a worse level replaces it. */
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

/** The verdict first, in the form of monitoring plugins, then a row for each thing that was examined. */
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
  return `${paint(level, level.toUpperCase())}: ${clip(sentence)}\n${dim(clip(advice))}\n\n${lines.join('\n')}\n`;
}

/** The document of `/status.json`, plus what only `check` knows. */
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
    check: {
      exit_code: exitCode,
      would_do: wouldDo(examination.steps, examination.snapshot),
      engine_access: access ?? null,
      chain,
      rows,
    },
  };
  return documentText(document);
}

function rowsOf(examination: Examination): readonly Row[] {
  const { snapshot, chain } = examination;
  const { cycle, settings } = snapshot;
  if (cycle === undefined) return [];
  return [
    ...incomingRows(snapshot),
    ...(settings.mosquittoConf === undefined
      ? [
          ...filesRows(cycle, settings.certDir),
          ...cycle.certificates.map(certificateRow),
          ...pairRows(snapshot, cycle),
        ]
      : setRows(cycle, certificateRow)),
    ...(chain === undefined ? [] : [{ name: 'chain', ...chain }]),
    ...(settings.mosquittoConf === undefined ? [upstreamRow(snapshot)] : []),
    ...brokerRows(snapshot),
    ...unitRows(snapshot),
    ...snapshot.brokers.flatMap(bridgeRows),
    ...snapshot.brokers.flatMap((broker) => listenerRows(broker, settings)),
    ...accessRows(cycle, settings),
    ...windowRows(snapshot, cycle),
    accessRow(examination),
    ...examination.pageRows,
    ...watcherRows(examination),
    daemonRow(examination.steps, snapshot),
  ].map((row) => ({
    ...row,
    ...levelBesideLive(row, cycle),
    message: clip(row.message),
    ...(row.hint && { hint: clip(row.hint) }),
  }));
}

function filesRows({ files, complaints }: CycleStatus, certDir: string): Row[] {
  if (files === 'changing')
    return [{ name: 'files', level: 'unknown', message: `being written in ${certDir}` }];
  const level = files === 'unparsable' ? 'critical' : 'warning';
  const rows = complaints.map(({ file, problem, hint }): Row => {
    return { name: 'files', level, message: `${file} ${problem}`, hint };
  });
  return files === 'complete'
    ? [{ name: 'files', level: 'ok', message: `complete in ${certDir}` }, ...rows]
    : rows;
}

const VALIDITY = {
  valid: { level: 'ok', word: 'valid until' },
  expiring: { level: 'warning', word: 'expires on' },
  expired: { level: 'critical', word: 'expired on' },
  not_yet_valid: { level: 'warning', word: 'not valid before' },
} as const;

/**
 * An expired CA certificate need not be the one that the upstream uses, and the upstream may have an intermediate of
 * its own: a warning. The chain itself is judged in a separate row.
 */
function certificateRow(certificate: CertificateStatus): Row {
  const { state, role, subject, notBeforeMs, notAfterMs, expiresInMs } = certificate;
  const { level, word } = VALIDITY[state];
  const date = timestamp(state === 'not_yet_valid' ? notBeforeMs : notAfterMs);
  const isLeaf = role === 'client' || role === 'server';
  const { count, unit } = timeLeft(expiresInMs);
  const left = state === 'valid' || state === 'expiring' ? `, ${count} ${unit} left` : '';
  const hint = state === 'expiring' ? 'renew it, and find out why the agent has not' : undefined;
  const message = `${subject}, ${word} ${date}${left}`;
  return { name: role, level: !isLeaf && level === 'critical' ? 'warning' : level, message, hint };
}

function pairRows({ settings }: Snapshot, { files, pair }: CycleStatus): Row[] {
  if (files !== 'complete') return [];
  const key = settings.clientKeyFile;
  switch (pair) {
    case 'matches':
      return [{ name: 'key', level: 'ok', message: `${key} belongs to the ${leafName(settings)}` }];
    case 'does_not_match':
      return [{ name: 'key', level: 'critical', message: `${key} belongs to another certificate` }];
    case 'not_checked':
      return [{ name: 'key', level: undefined, message: `${key} was not compared: only the probe opens it` }];
  }
}

function brokerRows({ brokers, settings }: Snapshot): Row[] {
  return brokers.length === 0 ? [brokerRow(neverSeen(settings.targetLabel))] : brokers.map(brokerRow);
}

function brokerRow({ container, seen, engineFailure }: BrokerStatus): Row {
  const name = 'broker';
  if (engineFailure !== undefined) {
    const { problem, hint } = engineFailure.failure;
    return { name, level: 'warning', message: problem, hint };
  }
  const state = seen?.state;
  if (state === undefined) return { name, level: undefined, message: `${container} was not asked about` };
  const said = healthOf(state);
  const health = said === undefined ? '' : `, ${said}`;
  const condition = conditionOf(state);
  const since = state.startedAtMs === undefined ? '' : `, started ${timestamp(state.startedAtMs)}`;
  return {
    name,
    level: condition === 'well' ? 'ok' : brokerLevel(condition),
    message: `${container} is ${state.status}${health}${since}`,
    ...(condition !== 'well' && { hint: brokerAdvice(container, condition, state.kind) }),
  };
}

/** A bridge that is down is a warning: the row of the upstream says what to do about it. */
function bridgeRows({ container, bridges }: BrokerStatus): Row[] {
  const name = 'bridge';
  if (bridges === undefined) return [];
  if (!bridges.ok) return [{ name, level: 'warning', message: bridges.problem, hint: bridges.hint }];
  if (bridges.bridges.length === 0)
    return [{ name, level: undefined, message: `${container} reports no bridge` }];
  const others: Row[] = bridges.leftOut.bridges
    ? [
        {
          name,
          level: 'warning',
          message: `${container} lists more than can be watched`,
          hint: 'name the one that counts in BRIDGE_NAME, and let no client publish on $SYS/broker/connection/#',
        },
      ]
    : [];
  const listed = bridges.bridges.map(
    ({ connection, up }): Row => ({
      name,
      level: up ? 'ok' : 'warning',
      message: `${connection} of ${container} is ${up ? 'connected' : 'down'}`,
    }),
  );
  return [...listed, ...others];
}

function windowRows({ settings: { restartWindow } }: Snapshot, { opening, at }: CycleStatus): Row[] {
  if (restartWindow === undefined || opening === undefined) return [];
  const { opensAtMs, closesAtMs } = opening;
  const when = opensAtMs <= at.wallMs ? 'open' : `opens ${timestamp(opensAtMs)}`;
  const message = `${when} until ${timestamp(closesAtMs)} (${restartWindow.text}, ${restartWindow.timeZone})`;
  return [{ name: 'window', level: undefined, message }];
}

/**
 * One watcher is expected: the daemon that this `check` belongs to. A watcher whose target cannot be seen may manage
 * another broker.
 */
function watcherRows({ watchers, snapshot }: Examination): Row[] {
  return snapshot.brokers.flatMap(({ container, seen }) => {
    const found = watchers.filter((watcher) => looksAfter(watcher, container, seen?.state) === true);
    if (found.length < 2) return [];
    const names = found.map(({ name }) => name).join(', ');
    return [
      {
        name: 'watchers',
        level: 'warning' as const,
        message: `${found.length} watchers watch ${container}: ${names}`,
        hint: 'stop all but one: those that see each other make one restart, but wait for each other',
      },
    ];
  });
}
