/** How the memory that all brokers share changes. */

import type { FilesObservation, Moment } from '../model/files.ts';
import { type ProbeFailure, type ProbeVerdict, setCannotWork, standingRejection } from '../model/probe.ts';
import type { OperatorRequest } from '../model/request.ts';
import type { WatchersSeen } from '../model/rivals.ts';
import type { Sighting, SiteMemory } from './memory.ts';

/** At the start of the watcher; `lot` differs from that of any other watcher, now or later. */
export function createSiteMemory(started: Moment, lot = ''): SiteMemory {
  return {
    started,
    cycles: 0,
    sighting: undefined,
    live: undefined,
    seen: [],
    probe: undefined,
    lastVerdict: undefined,
    watchers: undefined,
    lot,
    requests: { look: false, restart: false },
    waived: undefined,
  };
}

/**
 * Remembers a look at the files. Unchanged files have been stable since they were first seen in that state. A set seen
 * for the first time is credited with the age that its newest ctime shows but, unless this is the very first look,
 * never with more than the time since the last look, which saw something else.
 */
export function rememberFiles(site: SiteMemory, files: FilesObservation, now: Moment): SiteMemory {
  return {
    ...site,
    cycles: site.cycles + 1,
    sighting: sightingOf(site.sighting, files, now),
    seen: withSeen(site.seen, files),
    probe: site.probe?.identity === files.identity ? site.probe : undefined,
    waived: files.kind === 'complete' && files.fingerprint !== site.waived ? undefined : site.waived,
  };
}

/** The operator's requests since the last look. */
export function rememberRequests(site: SiteMemory, requests: readonly OperatorRequest[]): SiteMemory {
  const { restart } = site.requests;
  return {
    ...site,
    requests: { look: requests.includes('look'), restart: restart || requests.includes('restart') },
  };
}

/** The operator's request for a restart has been answered: this set waits no longer than necessary. */
export function rememberWaiver(site: SiteMemory, fingerprint: string | undefined): SiteMemory {
  return { ...site, requests: { ...site.requests, restart: false }, waived: fingerprint ?? site.waived };
}

/** The look at the files of one directory, combined with the previous one. */
export function sightingOf(before: Sighting | undefined, files: FilesObservation, now: Moment): Sighting {
  const unchanged = before?.identity === files.identity && files.kind !== 'changing';
  const sinceMonoMs = unchanged ? before.sinceMonoMs : now.monoMs - credit(files, now, before?.lookMonoMs);
  return { identity: files.identity, sinceMonoMs, lookMonoMs: now.monoMs };
}

const KEPT_SETS = 8;

function withSeen(seen: readonly string[], files: FilesObservation): readonly string[] {
  if (files.kind !== 'complete' || seen.at(-1) === files.fingerprint) return seen;
  return [...seen.filter((each) => each !== files.fingerprint), files.fingerprint].slice(-KEPT_SETS);
}

function credit(files: FilesObservation, now: Moment, lastLookMonoMs: number | undefined): number {
  if (files.kind !== 'complete') return 0;
  const age = Math.max(0, now.wallMs - files.newestCtimeMs);
  return lastLookMonoMs === undefined ? age : Math.min(age, now.monoMs - lastLookMonoMs);
}

/** A search for other watchers begins, with this set on disk. */
export function rememberWatchersLook(site: SiteMemory, identity: string): SiteMemory {
  const { watchers } = site;
  return {
    ...site,
    watchers: { identity, running: true, seen: watchers?.seen, atMonoMs: watchers?.atMonoMs },
  };
}

/** The search has ended. */
export function rememberWatchers(site: SiteMemory, seen: WatchersSeen | undefined, now: Moment): SiteMemory {
  const identity = site.watchers?.identity ?? '';
  return { ...site, watchers: { identity, running: false, seen, atMonoMs: now.monoMs } };
}

/** A probe of this set has been started; an earlier verdict on the same set stays until the next. */
export function rememberProbeStart(site: SiteMemory, identity: string): SiteMemory {
  const before = site.probe?.identity === identity ? site.probe : undefined;
  return {
    ...site,
    probe: {
      identity,
      running: true,
      filesPassed: before?.filesPassed ?? false,
      verdict: before?.verdict,
      verdictAtMs: before?.verdictAtMs,
      rejection: before?.rejection,
      ...(before?.rejections && { rejections: before.rejections }),
    },
  };
}

/** The running probe has found that key and certificate belong together and has gone on to the network. */
export function rememberFilesPassed(site: SiteMemory, identity: string): SiteMemory {
  if (site.probe?.identity !== identity) return site;
  return { ...site, probe: { ...site.probe, filesPassed: true } };
}

/** The probe of this set has ended; without a verdict it was cancelled. A verdict on an earlier set is dropped. */
export function rememberProbeEnd(
  site: SiteMemory,
  probed: { readonly identity: string; readonly fingerprint: string },
  verdict: ProbeVerdict | undefined,
  now: Moment,
): SiteMemory {
  const { probe } = site;
  if (probe?.identity !== probed.identity) return site;
  if (verdict === undefined) return { ...site, probe: { ...probe, running: false } };
  return {
    ...site,
    probe: {
      identity: probe.identity,
      running: false,
      filesPassed: !setCannotWork(verdict),
      verdict,
      verdictAtMs: now.monoMs,
      rejection: standingRejection(probe.rejection, verdict),
      ...(verdict.sets && { rejections: rejectionsOf(probe.rejections, verdict.sets) }),
    },
    lastVerdict: { verdict, fingerprint: probed.fingerprint, at: now },
  };
}

/** What stands against each of several sets, after one more verdict on each. */
function rejectionsOf(
  before: Readonly<Record<string, ProbeFailure>> = {},
  verdicts: Readonly<Record<string, ProbeVerdict>>,
): Record<string, ProbeFailure> {
  const standing = Object.entries(verdicts).flatMap(([name, verdict]) => {
    const rejection = standingRejection(before[name], verdict);
    return rejection === undefined ? [] : [[name, rejection] as const];
  });
  return Object.fromEntries(standing);
}
