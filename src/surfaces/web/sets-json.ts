/** The part of `/status.json` about sets of certificates, and the configuration that names them. */

import type { ProbeVerdict } from '../../core/model/probe.ts';
import type { ListenerStatus, NamedSetStatus, SetStatus, Snapshot } from '../../core/status/snapshot.ts';
import { hostPort } from '../../core/text/address.ts';
import { clip } from '../../core/text/clip.ts';

/** One of the sets that the broker's configuration names. */
export function namedDocument(set: NamedSetStatus) {
  const { name, role, upstreams, caPath, oldestTls, alpn, verdict, isPending } = set;
  return {
    name,
    role,
    pending: isPending,
    upstreams: upstreams.map(hostPort),
    ca_path: caPath,
    oldest_tls: oldestTls,
    alpn,
    crl_next_update: time(set.revocation?.nextUpdateMs),
    probe: verdict && {
      ...outcomeDocument(verdict),
      addresses: verdict.addresses?.map((each) => ({
        upstream: each.upstream,
        ...outcomeDocument(each.verdict),
      })),
    },
    listener: set.listener && listenerDocument(set.listener),
    ...certificatesDocument(set),
  };
}

function outcomeDocument(verdict: ProbeVerdict) {
  return {
    ok: verdict.ok,
    cause: verdict.ok ? undefined : verdict.cause,
    error: verdict.ok ? undefined : clip(verdict.error),
    hint: verdict.ok ? undefined : verdict.hint,
    address: verdict.address,
    protocol: verdict.protocol,
  };
}

/** How the configuration was read, and what in it makes proof impossible. */
export function confDocument({ cycle }: Snapshot) {
  const { conf } = cycle ?? {};
  return (
    conf && {
      path: conf.path,
      problem: conf.problem && {
        path: conf.problem.path,
        line: conf.problem.line,
        message: clip(conf.problem.text),
      },
      findings: conf.findings.map(({ about, problem, hint }) => ({ about, message: problem, hint })),
    }
  );
}

/** The set in one directory. */
export function certificatesDocument(set: SetStatus | undefined) {
  return {
    state: set?.files,
    fingerprint: set?.fingerprint,
    key_pair: set?.pair,
    unreadable_by_broker: set?.unreadable?.map(({ file, path, problem, fix }) => {
      return { file, path, message: clip(problem), hint: fix };
    }),
    problems: (set?.complaints ?? []).map(({ file, cause, problem, hint }) => {
      return { file, cause, message: clip(`${file} ${problem}`), hint };
    }),
    files: (set?.certificates ?? []).map((certificate) => ({
      file: certificate.file,
      role: certificate.role,
      subject: certificate.subject,
      issuer: certificate.issuer,
      not_before: time(certificate.notBeforeMs),
      not_after: time(certificate.notAfterMs),
      days_remaining: certificate.daysRemaining,
      expires_in_seconds: Math.floor(certificate.expiresInMs / 1_000),
      expiring_from: time(certificate.expiringFromMs),
      state: certificate.state,
    })),
  };
}

/** What a listener of the broker presented last. */
export function listenerDocument({ seen, atMs, isCurrent }: ListenerStatus) {
  return {
    at: time(atMs),
    current: isCurrent,
    subject: seen.ok ? clip(seen.subject) : undefined,
    not_after: seen.ok ? time(seen.notAfterMs) : undefined,
    problem: seen.ok ? undefined : clip(seen.problem),
  };
}

/** With milliseconds: programs compare times. A time that no calendar can express counts as unknown. */
export function time(wallMs: number | undefined): string | undefined {
  if (wallMs === undefined || Number.isNaN(new Date(wallMs).getTime())) return undefined;
  return new Date(wallMs).toISOString();
}
