/**
 * A fleet of gateways whose certificates are renewed within the same minute, decided by the real core: how many
 * restarts, and so new connections, the upstream sees in its worst second, without and with RESTART_SPLAY.
 *
 *     make fleet                 # 100,000 gateways
 *     GATEWAYS=10000 make fleet
 */

import { loadSettings } from '../src/config/load.ts';
import { shareOf } from '../src/config/splay.ts';
import { brokerIsInQuestion } from '../src/core/decision/broker-look.ts';
import { decide } from '../src/core/decision/decide.ts';
import { createBrokerMemory, rememberDivergence, rememberStandingAnswer } from '../src/core/memory/broker.ts';
import { rememberApplied } from '../src/core/memory/rollout.ts';
import {
  createSiteMemory,
  rememberFiles,
  rememberProbeEnd,
  rememberProbeStart,
} from '../src/core/memory/site.ts';
import type { ContainerState } from '../src/core/model/container.ts';
import type { CertificateSet, Moment } from '../src/core/model/files.ts';
import type { ProbeSuccess } from '../src/core/model/probe.ts';
import type { Settings } from '../src/core/model/settings.ts';
import { parseDuration } from '../src/core/text/duration.ts';
import { machine } from './machine.ts';
import { numberFrom } from './options.ts';

const GATEWAYS = numberFrom('GATEWAYS', 100_000);
/** A walk takes half a dozen; one that takes this many has lost its way. */
const MOST_CYCLES = 100;
const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;
const SPLAYS = ['0', '5m', '15m', '1h', '6h'];
/** when the renewals begin, on both clocks of every gateway */
const EPOCH_MS = Date.UTC(2026, 10, 25);
const START: Moment = { wallMs: EPOCH_MS - DAY_MS, monoMs: 0 };

/** The old certificate is renewed a month before its end, as usual. */
const OLD_NOT_AFTER_MS = EPOCH_MS + 30 * DAY_MS;

const ACCEPTED: ProbeSuccess = { ok: true, proof: 'settled', durationMs: 2_100, phaseMs: {} };

const BROKER: ContainerState = {
  kind: 'container',
  id: 'b'.repeat(64),
  up: true,
  status: 'running',
  exitCode: 0,
  startedAt: new Date(START.wallMs).toISOString(),
  startedAtMs: START.wallMs,
  finishedAt: '',
  finishedAtMs: undefined,
  health: undefined,
  stopTimeoutS: undefined,
  startError: '',
  oomKilled: false,
  restartPolicy: { name: 'no', retries: 0 },
  restartCount: 0,
  healthNeedsMs: 0,
};

const loaded = await loadSettings({ UPSTREAM_ADDR: 'upstream.example.com' }, undefined);
if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
const defaults: Settings = loaded.settings;

print(`${GATEWAYS} gateways, renewed within one minute, in their order; ${machine()}\n`);
print('| RESTART_SPLAY | restarts in the worst second | in the worst ten seconds | all done after |');
print('|---|---|---|---|');
for (const splay of SPLAYS) {
  const atMs = simulate(parseDuration(splay) ?? 0);
  const last = atMs.reduce((latest, at) => Math.max(latest, at), 0);
  const row = [
    splay,
    mostWithin(1_000, atMs),
    mostWithin(10_000, atMs),
    `${(last / MINUTE_MS).toFixed(1)} min`,
  ];
  print(`| ${row.join(' | ')} |`);
}

/** When each gateway restarts its broker, in milliseconds after the first renewal. */
function simulate(splayMs: number): readonly number[] {
  return Array.from({ length: GATEWAYS }, (_, index) => {
    const settings = { ...defaults, splayMs: splayMs * shareOf(`gateway-${index}`) };
    return restartOf(settings, (index / GATEWAYS) * MINUTE_MS);
  });
}

/** Walks one gateway from its renewal to its restart: from one moment that the core names to the next. */
function restartOf(settings: Settings, renewedMs: number): number {
  const set = renewedSet(renewedMs);
  const applied = { fingerprint: 'old', startedAt: BROKER.startedAt, notAfterMs: OLD_NOT_AFTER_MS };
  let site = createSiteMemory(START);
  let memory = rememberApplied(createBrokerMemory(START, undefined), applied);
  let ms = renewedMs;
  for (let cycle = 0; cycle < MOST_CYCLES; cycle++) {
    const now = momentAt(ms);
    memory = rememberDivergence(memory, site, set, now);
    site = rememberFiles(site, set, now);
    if (brokerIsInQuestion({ now, files: set, site, name: 'eclipse-mosquitto', memory, settings }))
      memory = rememberStandingAnswer(memory, site, set, { ok: true, value: BROKER }, now, settings);
    const decision = decide([{ now, files: set, site, name: 'eclipse-mosquitto', memory, settings }]);
    if (decision.steps.some(({ kind }) => kind === 'restart')) return ms;
    if (decision.steps.some(({ kind }) => kind === 'probe'))
      site = rememberProbeEnd(rememberProbeStart(site, set.identity), set, ACCEPTED, now);
    ms += Math.max(1, (decision.untilMonoMs ?? decision.nextLookMonoMs) - now.monoMs);
  }
  throw new Error(`a gateway that was renewed at ${renewedMs} ms never restarted its broker`);
}

function momentAt(ms: number): Moment {
  return { wallMs: EPOCH_MS + ms, monoMs: START.monoMs + DAY_MS + ms };
}

function renewedSet(renewedMs: number): CertificateSet {
  const dates = { notBeforeMs: EPOCH_MS - DAY_MS, notAfterMs: EPOCH_MS + 90 * DAY_MS };
  const leaf = {
    subject: 'CN=gateway',
    issuer: 'CN=CA',
    isCa: false,
    mayBeClient: true,
    sha256: 'new',
    sameAs: 'new',
    ...dates,
  };
  return {
    kind: 'complete',
    identity: 'new',
    fingerprint: 'new',
    newestCtimeMs: EPOCH_MS + renewedMs,
    rights: '',
    leaf,
    leafFile: 'client.crt',
    intermediates: [],
    authorities: [{ ...leaf, isCa: true }],
    trust: '',
    authoritiesFile: 'ca.crt',
    ignored: [],
  };
}

/** The most events in any interval of this length that begins at a multiple of it. */
function mostWithin(lengthMs: number, atMs: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const at of atMs) {
    const slot = Math.floor(at / lengthMs);
    counts.set(slot, (counts.get(slot) ?? 0) + 1);
  }
  return Math.max(...counts.values());
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
