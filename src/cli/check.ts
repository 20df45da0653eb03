/** `check`: one look at everything, for people and for monitoring. It changes nothing. */

import { resolve } from 'node:path';
import type { CertFiles } from '../adapters/cert-files.ts';
import { systemClock } from '../adapters/clock.ts';
import { findEngineAccess } from '../adapters/engine/access.ts';
import type { StateFile } from '../adapters/state-file.ts';
import { decide } from '../core/decision/decide.ts';
import { neededCalls, unneededPaths } from '../core/engine/calls.ts';
import { PREDECESSOR_MS, type SiteMemory } from '../core/memory/memory.ts';
import { rememberProbeEnd, rememberProbeStart } from '../core/memory/site.ts';
import type { FilesObservation, Moment } from '../core/model/files.ts';
import type { ProbeVerdict } from '../core/model/probe.ts';
import { agentsDirectory, leafName, type Settings } from '../core/model/settings.ts';
import { exitCodeOf } from '../core/status/exit-code.ts';
import { createHistory, record } from '../core/status/history.ts';
import type { BridgeListener } from '../rollout/rollout.ts';
import {
  type Examination,
  examinationJson,
  examinationTable,
  levelOf,
} from '../surfaces/terminal/check-report.ts';
import { VERSION } from '../system/process/version.ts';
import { readRegularFile } from '../system/regular-file.ts';
import { parseCertificates } from '../system/x509.ts';
import { createObserver, type ObserverParts } from '../watcher/observe.ts';
import { createState, type StateParts } from '../watcher/state.ts';
import { findWatchersOf, liveSetsOf, type Sources, sourcesOf, stateFileOf } from '../wiring/adapters.ts';
import { bridgeListenersOf, brokersOf, watchedFor } from '../wiring/brokers.ts';
import { type ChainJudgement, judgeChain } from './check-chain.ts';
import { lookAtPages } from './check-pages.ts';

export interface CheckOptions {
  readonly json: boolean;
  readonly color: boolean;
}

/** A broker that has not reported its bridges by then is not well. */
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
  const exitCode = exitCodeOf(level);
  write(json ? examinationJson(examination, VERSION, exitCode) : examinationTable(examination, color));
  return exitCode;
}

/** Everything that the daemon would see if it were started now, and what it would do. */
async function examine(settings: Settings, stop: AbortSignal): Promise<Examination> {
  const started = systemClock.now();
  const sources = await sourcesOf(settings);
  const parts = await partsOf(settings, sources, stop);
  // as a daemon that has been up for a moment: its caution right after the start does not matter here
  const justNow = { wallMs: started.wallMs - PREDECESSOR_MS, monoMs: started.monoMs - PREDECESSOR_MS };
  const state = createState(parts, justNow);
  await state.load();
  const files = await parts.certFiles.observe(systemClock.now().monoMs);
  // the same files are probed and decided on
  const observer = createObserver({ ...parts, certFiles: { observe: async () => files } }, state);
  const [verdict, access, chain, watchers, pageRows] = await Promise.all([
    probe(sources, files, stop),
    settings.target.kind === 'unit'
      ? undefined
      : findEngineAccess(settings.engine, unneededPaths(settings), stop),
    chainOf(settings, files),
    findWatchersOf(settings)(stop),
    lookAtPages(settings),
    untilHeard(parts.bridgeListeners, stop),
  ]);
  state.rememberSite((site) => withVerdict(site, files, verdict, systemClock.now()));
  const situations = await observer.observe(stop, { thoroughWithinMs: ENGINE_TIMEOUT_MS });
  await observer.close();
  const decision = decide(situations);
  const { now } = decision.situation;
  const history = record(createHistory(settings, started), {
    wallMs: now.wallMs,
    say: [],
    cycle: { decision, situations },
    ...(verdict && { fact: { kind: 'probe_ended', verdict } }),
  });
  return {
    snapshot: history.snapshot,
    now,
    steps: decision.steps,
    access,
    needed: neededCalls(settings),
    chain,
    pageRows,
    watchers: watchers.others,
    isRoot: process.getuid?.() === 0,
  };
}

/** The parts of a daemon that only observes. */
async function partsOf(
  settings: Settings,
  sources: Sources,
  stop: AbortSignal,
): Promise<ObserverParts & StateParts> {
  const bridgeListeners = await bridgeListenersOf(settings);
  const stateFile = stateFileOf(settings);
  return {
    settings,
    clock: systemClock,
    certFiles: atRest(sources.certFiles, stop),
    liveSets: await liveSetsOf(settings),
    brokers: await brokersOf(settings, systemClock, bridgeListeners),
    bridgeListeners: watchedFor(settings, bridgeListeners),
    lot: '',
    stateFile: stateFile && readOnly(stateFile),
  };
}

/** What a daemon has remembered, if it keeps a state file, which only the daemon may write. */
function readOnly({ load }: StateFile): StateFile {
  return { load, save: async () => ({ ok: true }) };
}

const LOOKS = 10;
const BETWEEN_LOOKS_MS = 100;

/** Files that are being written get a second to become stable. */
function atRest(certFiles: CertFiles, stop: AbortSignal): CertFiles {
  return {
    async observe(nowMonoMs) {
      let files = await certFiles.observe(nowMonoMs);
      for (let look = 1; look < LOOKS && files.kind === 'changing' && !stop.aborted; look++) {
        await systemClock.sleep(BETWEEN_LOOKS_MS, stop);
        files = await certFiles.observe(systemClock.now().monoMs);
      }
      return files;
    },
  };
}

/** A broker that does not report its bridges in time is not waited for. */
async function untilHeard(listeners: readonly BridgeListener[], stop: AbortSignal): Promise<void> {
  const deadline = systemClock.now().monoMs + BRIDGES_TIMEOUT_MS;
  const isSilent = () => listeners.some(({ sight }) => !sight().ok);
  while (isSilent() && systemClock.now().monoMs < deadline && !stop.aborted) {
    await systemClock.sleep(BETWEEN_LOOKS_MS, stop);
  }
}

function withVerdict(
  site: SiteMemory,
  files: FilesObservation,
  verdict: ProbeVerdict | undefined,
  now: Moment,
): SiteMemory {
  if (verdict === undefined || files.kind !== 'complete') return site;
  return rememberProbeEnd(rememberProbeStart(site, files.identity), files, verdict, now);
}

async function probe(
  { runProbe }: Sources,
  files: FilesObservation,
  signal: AbortSignal,
): Promise<ProbeVerdict | undefined> {
  if (files.kind !== 'complete') return undefined;
  const nowMs = systemClock.now().wallMs;
  return runProbe?.({ signal, nowMs, ofLive: false, onPhase: () => undefined });
}

async function chainOf(settings: Settings, files: FilesObservation): Promise<ChainJudgement | undefined> {
  if (files.kind !== 'complete' || files.sets !== undefined) return undefined;
  const read = await readRegularFile(resolve(agentsDirectory(settings).path, settings.clientCertFile));
  const parsed = read.ok ? parseCertificates(read.bytes, 'chain') : undefined;
  if (parsed?.ok !== true) return undefined;
  const parties = {
    leaf: leafName(settings),
    peer: settings.certRole === 'listener' ? 'every client' : 'the upstream',
  } as const;
  return judgeChain(parsed.certificates, files.authorities, systemClock.now().wallMs, parties);
}
