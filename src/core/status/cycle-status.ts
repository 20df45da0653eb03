/** The last cycle and the brokers in it, as the surfaces show them. */

import type { Decision } from '../decision/decide.ts';
import { hasSet } from '../memory/memory.ts';
import { nextOpening } from '../model/calendar.ts';
import { type Certificate, daysRemaining, endsOf, expiringFrom } from '../model/certificate.ts';
import { brokenLink, markOf, type NamedSet } from '../model/files.ts';
import { lastingProblem } from '../model/named-set.ts';
import { presents } from '../model/presented.ts';
import { asksUpstream } from '../model/settings.ts';
import { liveFiles, type Situation, setSituation, viewOf } from '../situation.ts';
import { clip } from '../text/clip.ts';
import { REASON_WORDS } from './reasons.ts';
import type {
  BrokerStatus,
  CertificateStatus,
  CycleStatus,
  ListenerStatus,
  NamedSetStatus,
  PairStatus,
  SetStatus,
  Snapshot,
} from './snapshot.ts';

/** The status of the cycle that made this decision. */
export function cycleStatus(decision: Decision): CycleStatus {
  const { situation } = decision;
  const { now, files, site, memory, settings } = situation;
  const live = liveFiles(situation);
  const isLive =
    site.live === undefined || (files.kind === 'complete' && !setSituation(situation, files).isToBePromoted);
  const wallOf = (monoMs: number | undefined) =>
    monoMs === undefined || !Number.isFinite(monoMs) ? undefined : now.wallMs + (monoMs - now.monoMs);
  const { endsWith } = REASON_WORDS[decision.reason];
  const isWaiting = (decision.untilMonoMs ?? 0) > now.monoMs && endsWith === 'time';
  const reprobes = endsWith === 'probe' ? decision.probeAtMonoMs : undefined;
  return {
    at: now,
    sets: files.sets?.map((named) => namedStatus(situation, named)),
    conf: files.conf && {
      ...files.conf,
      problem: lastingProblem(files.conf, now.monoMs, settings.stabilityWindowMs),
    },
    path: decision.path,
    reason: decision.reason,
    sentence: clip(decision.sentence),
    pending: decision.pending,
    waitsUntilMs: wallOf(isWaiting ? decision.untilMonoMs : reprobes),
    ...setStatus({ ...situation, files: live }),
    // of another set than the one that was probed
    pair: isLive ? pairOf(situation) : 'not_checked',
    incoming: site.live && {
      ...setStatus(situation),
      isLive,
      waitsFor: isLive ? undefined : clip(decision.waitsFor ?? decision.sentence),
    },
    applied: memory.applied,
    probeRunning: asksUpstream(settings) && (site.probe?.running ?? false),
    nextProbeAtMs: asksUpstream(settings) ? wallOf(decision.probeAtMonoMs) : undefined,
    opening: settings.restartWindow && nextOpening(settings.restartWindow, now.wallMs),
  };
}

function namedStatus(situation: Situation, named: NamedSet): NamedSetStatus {
  const { name, role, keyFile, upstreams, caPath, oldestTls, alpn } = named;
  const view = viewOf(situation, named);
  return {
    ...setStatus(view),
    name,
    role,
    keyFile,
    upstreams,
    caPath,
    oldestTls,
    alpn,
    revocation: named.files.kind === 'complete' ? named.files.revocation : undefined,
    listener: listenerOf(view),
    verdict: situation.site.lastVerdict?.verdict.sets?.[name],
    isPending: situation.memory.applied !== undefined && view.memory.applied?.fingerprint !== markOf(named),
  };
}

/** What its listener presented last, compared with these files. */
function listenerOf({
  memory: { presented },
  files,
}: Pick<Situation, 'memory' | 'files'>): ListenerStatus | undefined {
  return (
    presented && {
      seen: presented.seen,
      atMs: presented.at.wallMs,
      isCurrent: files.kind === 'complete' && presents(presented.seen, files),
    }
  );
}

function setStatus(situation: Situation): SetStatus {
  const { files } = situation;
  return {
    files: files.kind,
    complaints: 'complaints' in files ? files.complaints : files.kind === 'complete' ? files.ignored : [],
    certificates: certificatesOf(situation),
    fingerprint: files.kind === 'complete' ? files.fingerprint : undefined,
    pair: pairOf(situation),
    unreadable: files.kind === 'complete' ? files.unreadable : undefined,
  };
}

function certificatesOf({ files, now, settings }: Situation): CertificateStatus[] {
  if (files.kind !== 'complete') return [];
  const status = (
    file: string,
    role: CertificateStatus['role'],
    certificate: Certificate,
  ): CertificateStatus => ({
    file,
    role,
    subject: clip(certificate.subject),
    issuer: clip(certificate.issuer),
    notBeforeMs: certificate.notBeforeMs,
    notAfterMs: certificate.notAfterMs,
    daysRemaining: daysRemaining(certificate, now.wallMs),
    expiresInMs: certificate.notAfterMs - now.wallMs,
    expiringFromMs: expiringFrom(certificate, settings.expiryWarnDays),
    state: validityOf(certificate, now.wallMs, settings.expiryWarnDays),
  });
  const link = brokenLink(files, now.wallMs);
  const { ahead, past } = endsOf(files.authorities, files.intermediates, now.wallMs);
  const authorities = [...ahead.slice(0, 1), ...past.slice(0, 1)];
  return [
    status(files.leafFile, settings.certRole === 'listener' ? 'server' : 'client', files.leaf),
    ...(link === undefined ? [] : [status(files.leafFile, 'intermediate', link)]),
    ...authorities.map((authority) => status(files.authoritiesFile, 'ca', authority)),
  ];
}

function validityOf(certificate: Certificate, nowMs: number, warnDays: number): CertificateStatus['state'] {
  if (nowMs >= certificate.notAfterMs) return 'expired';
  if (nowMs < certificate.notBeforeMs) return 'not_yet_valid';
  return expiringFrom(certificate, warnDays) < nowMs ? 'expiring' : 'valid';
}

function pairOf({ files, site }: Situation): PairStatus {
  const { probe } = site;
  if (files.kind !== 'complete' || probe?.identity !== files.identity) return 'not_checked';
  const { verdict } = probe;
  if (verdict?.ok === false && verdict.keyUnreadable === true) return 'not_checked';
  if (verdict?.ok === false && verdict.cause === 'client_key_mismatch') return 'does_not_match';
  return probe.filesPassed ? 'matches' : 'not_checked';
}

/** One broker as it was last seen; if the engine does not answer, earlier knowledge is kept. */
export function brokerStatus(situation: Situation, { brokers }: Snapshot): BrokerStatus {
  const { name, memory } = situation;
  const files = liveFiles(situation);
  const { applied, lastAnswer } = memory;
  const before = brokers.find((broker) => broker.container === name);
  const status = {
    container: name,
    applied,
    isCurrent: files.kind === 'complete' ? hasSet(applied, files) : undefined,
    bridges: memory.bridges?.sight,
    listener: listenerOf({ memory, files }),
  };
  if (lastAnswer === undefined) return { ...status, seen: undefined, engineFailure: undefined };
  const { answer, at } = lastAnswer;
  return answer.ok
    ? { ...status, seen: { state: answer.value, atMs: at.wallMs }, engineFailure: undefined }
    : { ...status, seen: before?.seen, engineFailure: { failure: answer, atMs: at.wallMs } };
}
