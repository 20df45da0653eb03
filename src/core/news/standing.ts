/** Conditions that hold regardless of the verdict: the set, the last probe's result, and a broker that is starting. */

import { type BrokerState, conditionOf, healthOf } from '../model/broker.ts';
import { type Certificate, daysRemaining, endsOf, expiringFrom } from '../model/certificate.ts';
import type { CertificateSet, FileComplaint, Moment } from '../model/files.ts';
import { brokenLink } from '../model/files.ts';
import type { ProbeVerdict } from '../model/probe.ts';
import { agentsDirectory, leafName } from '../model/settings.ts';
import type { Situation } from '../situation.ts';
import { hostPort } from '../text/address.ts';
import { resume } from '../text/commands.ts';
import { formatDuration } from '../text/duration.ts';
import { printable } from '../text/printable.ts';
import { timestamp } from '../text/timestamp.ts';
import type { Condition, Statement } from './condition.ts';

/** For every readable set: that it was parsed, and certificates that expire soon. */
export function ofSet(situation: Situation): Condition[] {
  const { files, now } = situation;
  if (files.kind !== 'complete') return [];
  const { leaf, leafFile, fingerprint } = files;
  const parsed: Condition = {
    event: 'cert_parsed',
    subject: fingerprint,
    details: { ...certificateDetails(leaf, now), file: leafFile, fingerprint },
  };
  const isExpired = leaf.notAfterMs <= now.wallMs;
  return [
    parsed,
    ...certIgnored(situation, files),
    ...(isExpired ? [] : leafExpiring(situation, files)),
    ...intermediateExpiring(situation, files),
    ...authoritiesExpiring(situation, files),
  ];
}

/** What a file contains that the broker does not load: it plays no part in the judgement of the set. */
function certIgnored({ settings }: Situation, { ignored }: CertificateSet): Statement[] {
  const files = [...new Set(ignored.map(({ file }) => file))];
  return files.map((file) => {
    const complaints = ignored.filter((complaint) => complaint.file === file);
    const message = sentenceOf(complaints);
    return {
      event: 'cert_ignored',
      about: file,
      subject: message,
      details: { cert_dir: agentsDirectory(settings).path, file },
      message,
      hint: complaints[0]?.hint,
    };
  });
}

/** All complaints in one sentence. */
export function sentenceOf(complaints: readonly FileComplaint[]): string {
  return complaints.map(({ file, problem }) => `${file} ${problem}`).join('; ');
}

/**
 * The seed's details of a certificate, and the remaining time to the second: for a certificate that lasts hours, days
 * are too coarse.
 */
export function certificateDetails(certificate: Certificate, now: Moment) {
  const leftMs = certificate.notAfterMs - now.wallMs;
  return {
    subject: certificate.subject,
    issuer: certificate.issuer,
    not_before: timestamp(certificate.notBeforeMs),
    not_after: timestamp(certificate.notAfterMs),
    days_remaining: daysRemaining(certificate, now.wallMs),
    expires_in: leftMs > 0 ? formatDuration(Math.floor(leftMs / 1_000) * 1_000) : undefined,
  };
}

export function leafExpiring(situation: Situation, { leaf, leafFile }: CertificateSet): Statement[] {
  if (!isExpiring(situation, leaf)) return [];
  return [expiring(situation, leaf, leafFile, `the ${leafName(situation.settings)}`)];
}

/**
 * A chain that breaks before the client certificate ends. It never affects the decision: the upstream may have an
 * intermediate of its own.
 */
function intermediateExpiring(situation: Situation, files: CertificateSet): Statement[] {
  const broken = brokenLink(files, situation.now.wallMs);
  if (broken === undefined || !isExpiring(situation, broken)) return [];
  const condition = expiring(situation, broken, files.leafFile, 'an intermediate certificate');
  return [{ ...condition, about: `${files.leafFile} intermediate` }];
}

/**
 * The certificate of the CA file that ends next, and with it those that have expired. They never affect the decision:
 * the upstream may not even use them.
 */
function authoritiesExpiring(
  situation: Situation,
  { authorities, authoritiesFile, intermediates }: CertificateSet,
): Statement[] {
  const { ahead, past } = endsOf(authorities, intermediates, situation.now.wallMs);
  const [next] = ahead;
  const [last, ...before] = past;
  const told = (certificate: Certificate, others = 0) =>
    expiring(situation, certificate, authoritiesFile, 'a CA certificate', others);
  return [
    ...(next !== undefined && isExpiring(situation, next) ? [told(next)] : []),
    ...(last !== undefined ? [{ ...told(last, before.length), about: `${authoritiesFile} expired` }] : []),
  ];
}

function isExpiring({ now, settings }: Situation, certificate: Certificate): boolean {
  return expiringFrom(certificate, settings.expiryWarnDays) < now.wallMs;
}

function expiring(
  { now, settings }: Situation,
  certificate: Certificate,
  file: string,
  what: string,
  others = 0,
): Statement {
  const verb = certificate.notAfterMs <= now.wallMs ? 'expired' : 'expires';
  const more = others === 0 ? '' : `, and ${others} more`;
  return {
    event: 'cert_expiring',
    about: file,
    subject: `${certificate.subject} ${certificate.notAfterMs} ${verb}${more}`,
    details: { ...certificateDetails(certificate, now), file, warn_days: settings.expiryWarnDays },
    message: `${what} in ${file} ${verb} on ${timestamp(certificate.notAfterMs)}${more}`,
    hint: 'renew it, and find out why the agent has not',
  };
}

/** The result of the last probe: success and failure are both conditions, so each is reported when it begins. */
export function ofProbe({ site, settings }: Situation): Condition[] {
  if (site.lastVerdict === undefined || settings.upstream === undefined) return [];
  const { verdict, fingerprint } = site.lastVerdict;
  const seen = {
    upstream: hostPort(settings.upstream),
    address: verdict.address,
    protocol: verdict.protocol,
    cipher: verdict.cipher,
    duration_ms: Math.round(verdict.durationMs),
    failed_addresses: failedAddresses(verdict),
  };
  if (verdict.ok) {
    const details = { ...seen, proof: verdict.proof, server: verdict.server?.subject };
    return [{ event: 'tls_probe_success', subject: fingerprint, details }];
  }
  const { cause, phase, error, hint } = verdict;
  const details = { ...seen, cause, phase, error };
  return [{ event: 'tls_probe_failure', subject: `${fingerprint} ${cause}`, details, hint }];
}

const LONGEST_FAILURE = 200;

/** Why which of several addresses failed; undefined: there is one, or none failed. */
function failedAddresses({ addresses = [] }: ProbeVerdict): readonly string[] | undefined {
  const failed = addresses.flatMap(({ upstream, verdict }) =>
    verdict.ok ? [] : [printable(`${upstream}: ${verdict.cause}, ${verdict.error}`, LONGEST_FAILURE)],
  );
  return failed.length === 0 ? undefined : failed;
}

/** A broker that is up after its restart, until it is known whether it is well. */
export function ofStart({ name, memory, now }: Situation): Statement[] {
  const { start, lastAnswer } = memory;
  if (start === undefined) return [];
  const { set, up, sinceMonoMs, healthyByMonoMs } = start;
  const broker = lastAnswer?.answer.ok === true ? lastAnswer.answer.value : up.broker;
  if (conditionOf(broker) === 'paused') {
    const message = `${name} is paused after its restart; it can be verified only once it is resumed`;
    return [pause(name, set.fingerprint, broker, message)];
  }
  const healthyBy = timestamp(now.wallMs + (healthyByMonoMs - now.monoMs));
  return [
    {
      event: 'broker_starting',
      subject: `${set.fingerprint} ${sinceMonoMs}`,
      details: {
        container: name,
        fingerprint: set.fingerprint,
        started_at: up.broker.startedAt,
        health: healthOf(broker),
        healthy_by: healthyBy,
      },
      message: `${name} has been restarted and is up; waiting for its health check until ${healthyBy} at the latest`,
    },
  ];
}

/** A broker that is paused, for any reason that matters here. */
export function pause(
  container: string,
  fingerprint: string,
  { id, status, kind }: BrokerState,
  message: string,
): Statement {
  return {
    event: 'broker_paused',
    subject: `${id} ${fingerprint}`,
    details: { container, status, fingerprint },
    message,
    hint: resume(kind, container),
  };
}
