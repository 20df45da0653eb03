/** `check`: one look at everything, for people and for monitoring. It changes nothing. */

import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../adapters/clock.ts';
import { findEngineAccess } from '../adapters/engine/access.ts';
import { createStateFile } from '../adapters/state-file.ts';
import { bridgeSourcesOf, brokersOf } from '../brokers.ts';
import type { Level } from '../core/assess.ts';
import { neededCalls, unneededPaths } from '../core/engine-calls.ts';
import type { View } from '../core/facts.ts';
import * as memories from '../core/memory.ts';
import { PREDECESSOR_MS } from '../core/memory.ts';
import type { FilesObservation } from '../core/observation.ts';
import type { ProbeVerdict } from '../core/probe.ts';
import { decideRoll } from '../core/roll.ts';
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

/** A broker that has not told of its bridges by then is not well. */
const BRIDGES_TIMEOUT_MS = 3_000;

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
  const [verdict, looks, access, chain, bridges] = await Promise.all([
    probe(settings, files, stop),
    lookAtBrokers(settings, stop),
    findEngineAccess(settings.engine, unneededPaths(settings), stop),
    chainOf(settings, files),
    hearOfBridges(settings),
  ]);
  const now = systemClock.now();
  const brokers = looks.map(({ container, answer }): View => {
    const own = { ...settings, container };
    let memory = memories.createMemory(justNow, persisted.get(container));
    memory = memories.rememberFiles(memory, files, seen);
    memory = memories.rememberBroker(memory, files, answer, now, own);
    const heard = bridges.find((each) => (each.container ?? looks[0]?.container) === container);
    if (heard !== undefined) memory = memories.rememberBridges(memory, heard.sight, now);
    return { now, files, memory: withVerdict(memory, files, verdict, now), settings: own };
  });
  const { lead, decision } = decideRoll(brokers);
  const history = remember(createHistory(settings, started), {
    wallMs: now.wallMs,
    say: [],
    cycle: { view: lead, decision, brokers },
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

/** What the engine says of each broker. */
async function lookAtBrokers(settings: Settings, signal: AbortSignal) {
  const options = { signal, timeoutMs: ENGINE_TIMEOUT_MS };
  const brokers = brokersOf(settings);
  const listed = await brokers.list(options);
  const names = listed.ok ? listed.value : brokers.first;
  return Promise.all(
    names.map(async (container) => ({
      container,
      answer: await brokers.of(container).inspect(options),
    })),
  );
}

/** What each broker says of its bridges; one that says nothing in time is not waited for. */
async function hearOfBridges(settings: Settings) {
  return Promise.all(
    bridgeSourcesOf(settings).map(async ({ container, watch }) => {
      const watching = watch(() => undefined);
      const deadline = systemClock.now().monoMs + BRIDGES_TIMEOUT_MS;
      while (!watching.sight().ok && systemClock.now().monoMs < deadline) await sleep(BETWEEN_LOOKS_MS);
      const sight = watching.sight();
      await watching.close();
      return { container, sight };
    }),
  );
}

function withVerdict(
  memory: memories.Memory,
  files: FilesObservation,
  verdict: ProbeVerdict | undefined,
  now: View['now'],
): memories.Memory {
  if (verdict === undefined || files.kind !== 'complete') return memory;
  return memories.rememberProbeEnd(memories.rememberProbeStart(memory, files.identity), files, verdict, now);
}

/** What a daemon has remembered, if it keeps a file. One that cannot be read is as good as none here. */
async function loadState({ stateFile }: Settings): Promise<memories.PersistedStates> {
  if (stateFile === undefined) return new Map();
  const read = await createStateFile(resolve(stateFile)).load();
  return read.ok ? read.states : new Map();
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
