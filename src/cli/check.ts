/** `check`: one look at everything, for people and for monitoring. It changes nothing. */

import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../adapters/clock.ts';
import { createEngine } from '../adapters/engine.ts';
import { findEngineAccess } from '../adapters/engine-access.ts';
import { createStateFile } from '../adapters/state-file.ts';
import type { Level } from '../core/assess.ts';
import type { BrokerState, EngineAnswer } from '../core/broker.ts';
import { decide } from '../core/decide.ts';
import { neededCalls, unneededPaths } from '../core/engine-calls.ts';
import type { View } from '../core/facts.ts';
import * as memories from '../core/memory.ts';
import { PREDECESSOR_MS } from '../core/memory.ts';
import type { FilesObservation } from '../core/observation.ts';
import type { ProbeVerdict } from '../core/probe.ts';
import type { Settings } from '../core/settings.ts';
import { createHistory, remember } from '../core/snapshot.ts';
import { type Examination, examinationJson, examinationTable, levelOf } from '../surfaces/check-report.ts';
import { readRegularFile } from '../system/regular-file.ts';
import { parseCertificates } from '../system/x509.ts';
import { VERSION } from '../version.ts';
import { type ChainJudgement, judgeChain } from './check-chain.ts';
import { certFilesOf, tlsProbeOf } from './parts.ts';

export interface CheckOptions {
  readonly json: boolean;
  readonly color: boolean;
}

/** As monitoring plugins exit. */
const EXIT_CODES: Readonly<Record<Level, number>> = { ok: 0, warning: 1, critical: 2, unknown: 3 };

/** An engine that has not answered by then is not well. */
const ENGINE_TIMEOUT_MS = 5_000;

/** Looks at everything once, writes what it found, and resolves with the exit code. */
export async function check(
  settings: Settings,
  { json, color }: CheckOptions,
  stop: AbortSignal,
  write: (text: string) => void,
): Promise<number> {
  const examination = await examine(settings, stop);
  const level = levelOf(examination);
  const exitCode = EXIT_CODES[level];
  write(json ? examinationJson(examination, VERSION, exitCode) : examinationTable(examination, color));
  return exitCode;
}

/** Everything that the daemon would see if it were started now, and what it would do. */
async function examine(settings: Settings, stop: AbortSignal): Promise<Examination> {
  const started = systemClock.now();
  const persisted = await loadState(settings);
  const files = await observe(settings, stop);
  const seen = systemClock.now();
  // as a daemon that has been up for a moment: its caution right after the start is no news to anybody here
  const justNow = { wallMs: seen.wallMs - PREDECESSOR_MS, monoMs: seen.monoMs - PREDECESSOR_MS };
  let memory = memories.rememberFiles(memories.createMemory(justNow, persisted), files, seen);
  const [verdict, answer, access, chain] = await Promise.all([
    probe(settings, files, stop),
    createEngine(settings.engine, settings.container).inspect({
      signal: stop,
      timeoutMs: ENGINE_TIMEOUT_MS,
    }),
    findEngineAccess(settings.engine, unneededPaths(settings), stop),
    chainOf(settings, files),
  ]);
  const now = systemClock.now();
  memory = withAnswers(memory, files, verdict, answer, now, settings);
  const view: View = { now, files, memory, settings };
  const decision = decide(view);
  const history = remember(createHistory(settings, started), {
    wallMs: now.wallMs,
    say: [],
    cycle: { view, decision },
    ...(verdict && { deed: { kind: 'probe_ended', verdict } }),
  });
  return {
    snapshot: history.snapshot,
    now,
    steps: decision.steps,
    access,
    needed: neededCalls(settings),
    chain,
  };
}

function withAnswers(
  before: memories.Memory,
  files: FilesObservation,
  verdict: ProbeVerdict | undefined,
  answer: EngineAnswer<BrokerState>,
  now: View['now'],
  settings: Settings,
): memories.Memory {
  const memory = memories.rememberBroker(before, files, answer, now, settings);
  if (verdict === undefined || files.kind !== 'complete') return memory;
  return memories.rememberProbeEnd(memories.rememberProbeStart(memory, files.identity), files, verdict, now);
}

/** What a daemon has remembered, if it keeps a file. One that cannot be read is as good as none here. */
async function loadState({ stateFile }: Settings): Promise<memories.PersistedState | undefined> {
  if (stateFile === undefined) return undefined;
  const read = await createStateFile(resolve(stateFile)).load();
  return read.ok ? read.state : undefined;
}

const LOOKS = 10;
const BETWEEN_LOOKS_MS = 100;

/** Files that are being written get a second to come to rest. */
async function observe(settings: Settings, stop: AbortSignal): Promise<FilesObservation> {
  const certFiles = certFilesOf(settings);
  let files = await certFiles.observe(systemClock.now().monoMs);
  for (let look = 1; look < LOOKS && files.kind === 'changing' && !stop.aborted; look++) {
    await sleep(BETWEEN_LOOKS_MS);
    files = await certFiles.observe(systemClock.now().monoMs);
  }
  return files;
}

async function probe(
  settings: Settings,
  files: FilesObservation,
  signal: AbortSignal,
): Promise<ProbeVerdict | undefined> {
  const { probeEnabled, upstream } = settings;
  if (!probeEnabled || upstream === undefined || files.kind !== 'complete') return undefined;
  return tlsProbeOf(settings, upstream).run({ signal, nowMs: systemClock.now().wallMs });
}

async function chainOf(settings: Settings, files: FilesObservation): Promise<ChainJudgement | undefined> {
  if (files.kind !== 'complete') return undefined;
  const read = await readRegularFile(resolve(settings.certDir, settings.clientCertFile));
  const parsed = read.ok ? parseCertificates(read.bytes) : undefined;
  if (parsed?.ok !== true) return undefined;
  const authorities = files.authorities.map(({ subject }) => subject);
  return judgeChain(parsed.certificates, authorities, systemClock.now().wallMs);
}
