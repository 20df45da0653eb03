/** How the memory of the live directory of a two-phase rotation changes. */

import type { CertificateSet, Moment } from '../model/files.ts';
import type { LiveDirectory, PromotionFailure } from '../model/live.ts';
import type { ProbeVerdict } from '../model/probe.ts';
import type { Settings } from '../model/settings.ts';
import { backoffMs } from '../text/backoff.ts';
import type { BrokerMemory, LiveMemory, SiteMemory } from './memory.ts';
import { sightingOf } from './site.ts';

/** Remembers a look at the live directory. */
export function rememberLive(site: SiteMemory, seen: LiveDirectory, now: Moment): SiteMemory {
  const before = site.live;
  const sighting = sightingOf(before?.sighting, seen.files, now);
  const proof = before?.proof?.identity === seen.files.identity ? before.proof : undefined;
  return { ...site, live: { seen, sighting, failed: before?.failed, proof } };
}

/** A change of the live directory has failed: it is retried after a growing pause. */
export function rememberPromotionFailure(
  site: SiteMemory,
  failure: PromotionFailure,
  now: Moment,
  { checkIntervalMs, cooldownMs }: Settings,
): SiteMemory {
  const identity = site.sighting?.identity ?? '';
  const tries = (site.live?.failed?.identity === identity ? site.live.failed.tries : 0) + 1;
  const askAgainMonoMs = now.monoMs + backoffMs(tries, checkIntervalMs, cooldownMs);
  return withLive(site, { failed: { failure, identity, tries, askAgainMonoMs } });
}

/** The live directory was changed. */
export function rememberPromotionSuccess(site: SiteMemory): SiteMemory {
  return withLive(site, { failed: undefined });
}

/** A probe with the live set itself begins. */
export function rememberProofStart(site: SiteMemory, identity: string, now: Moment): SiteMemory {
  const verdict = site.live?.proof?.verdict;
  return withLive(site, { proof: { identity, running: true, verdict, atMonoMs: now.monoMs } });
}

/** The probe has ended; without a verdict it was cancelled. A verdict on an earlier set is dropped. */
export function rememberProofEnd(
  site: SiteMemory,
  identity: string,
  verdict: ProbeVerdict | undefined,
  now: Moment,
): SiteMemory {
  if (site.live?.proof?.identity !== identity) return site;
  return withLive(site, { proof: { identity, running: false, verdict, atMonoMs: now.monoMs } });
}

function withLive(site: SiteMemory, change: Partial<LiveMemory>): SiteMemory {
  return site.live === undefined ? site : { ...site, live: { ...site.live, ...change } };
}

/** Another set is in the live directory: what the engine said was about the previous one. */
export function rememberPromoted(memory: BrokerMemory, { fingerprint }: CertificateSet): BrokerMemory {
  const { applied } = memory;
  // the same certificates with other rights may have become readable only now
  const isSame = applied?.fingerprint === fingerprint;
  return { ...memory, standing: undefined, failedTries: 0, applied: isSame ? undefined : applied };
}

/** The previous set is back. A broker that is down because of the other one is not kept waiting. */
export function rememberRolledBack(memory: BrokerMemory): BrokerMemory {
  const { lastAnswer } = memory;
  const isDown = lastAnswer?.answer.ok === true && !lastAnswer.answer.value.up;
  return { ...memory, standing: undefined, failedTries: 0, startAtOnce: isDown };
}
