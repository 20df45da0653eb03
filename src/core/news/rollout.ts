/** Texts for what is done to the broker, as opposed to its state: each is reported once, when it happens. */

import type { BrokerMemory, SiteMemory } from '../memory/memory.ts';
import { type BrokerState, healthOf, type RestartOutcome } from '../model/broker.ts';
import type { ContainerState } from '../model/container.ts';
import type { CertificateSet, Moment } from '../model/files.ts';
import { brokerKind, type Settings, type Target } from '../model/settings.ts';
import type { AdoptStep, RestartStep, SignalProof, WaiveStep } from '../model/step.ts';
import { seeLog } from '../text/commands.ts';
import { timestamp } from '../text/timestamp.ts';
import type { Announcement } from './events.ts';

/** A restart is about to be requested. A retry of one that did not happen is not reported. */
export function restartTriggered(
  memory: BrokerMemory,
  { set, signal }: Pick<RestartStep, 'set' | 'signal'>,
  name: string,
): Announcement[] {
  const unsignalled = signal?.kind === 'none' ? signal.why : undefined;
  const { lastRestart } = memory;
  if (lastRestart?.outcome.kind === 'not_done' && lastRestart.fingerprint === set.fingerprint) return [];
  return [
    {
      event: 'mosquitto_restart_triggered',
      details: {
        container: name,
        fingerprint: set.fingerprint,
        previous_fingerprint: memory.applied?.fingerprint,
        subject: set.leaf.subject,
        not_after: timestamp(set.leaf.notAfterMs),
        no_signal: unsignalled,
        message: `the certificates have changed; ${name} is restarted${unsignalled === undefined ? '' : ` without a signal before: ${unsignalled}`}`,
      },
    },
  ];
}

/** The operator has requested a restart. If that was reported for this set before, it is not reported again. */
export function restartRequested(
  { waived }: Pick<SiteMemory, 'waived'>,
  { fingerprint, reason, sentence }: WaiveStep,
): Announcement[] {
  if (fingerprint !== undefined && fingerprint === waived) return [];
  const still = sentence === undefined ? '' : `; what still holds it: ${sentence}`;
  const message =
    fingerprint === undefined
      ? `a restart was requested, but no changed set waits for one: ${sentence}`
      : `a restart was requested: RESTART_WINDOW and RESTART_SPLAY no longer hold it back${still}`;
  return [{ event: 'restart_requested', details: { fingerprint, reason, message } }];
}

/** A reload is about to be tried. */
export function reloadTriggered(memory: BrokerMemory, set: CertificateSet, container: string): Announcement {
  return {
    event: 'mosquitto_reload_triggered',
    details: {
      container,
      fingerprint: set.fingerprint,
      previous_fingerprint: memory.applied?.fingerprint,
      subject: set.leaf.subject,
      not_after: timestamp(set.leaf.notAfterMs),
      message: `the certificates have changed; ${container} is signalled to reload them (SIGHUP)`,
    },
  };
}

/** The signal was enough. */
export function reloadCompleted(
  set: CertificateSet,
  proof: SignalProof,
  tookMs: number,
  container: string,
): Announcement {
  return {
    event: 'reload_completed',
    details: {
      container,
      fingerprint: set.fingerprint,
      duration_ms: Math.round(tookMs),
      proof,
      message: `${container} has loaded the new certificates without a restart: ${SHOWN[proof]}`,
    },
  };
}

const SHOWN: Readonly<Record<SignalProof, string>> = {
  bridge: 'its bridges have reconnected',
  listener: 'its listener presents them',
  both: 'its listeners present them, and its bridges have reconnected',
};

/** Nothing proves that the signal was enough: a restart follows. */
export function reloadInsufficient(
  set: CertificateSet,
  { why, hint }: { readonly why: string; readonly hint: string },
  tookMs: number,
  container: string,
): Announcement {
  return {
    event: 'reload_insufficient',
    details: {
      container,
      fingerprint: set.fingerprint,
      duration_ms: Math.round(tookMs),
      error: why,
      message: `the signal was not enough for ${container}: ${why}; it is restarted`,
      hint,
    },
  };
}

/** How a restart ended. One that did not happen remains a condition of the following cycles. */
export function restartEnded(
  outcome: RestartOutcome,
  set: CertificateSet,
  now: Moment,
  container: string,
  { cooldownMs, target }: Settings,
): Announcement[] {
  const details = { container, fingerprint: set.fingerprint, duration_ms: Math.round(outcome.tookMs) };
  switch (outcome.kind) {
    case 'verified': {
      const { startedAt } = outcome.broker;
      const health = healthOf(outcome.broker);
      const message = `${container} has been restarted and is ${health ?? 'running'}`;
      return [
        { event: 'restart_completed', details: { ...details, started_at: startedAt, health, message } },
      ];
    }
    case 'unhealthy':
      return [
        {
          event: 'broker_unhealthy',
          details: { ...details, ...brokerUnhealthy(outcome, container, target) },
        },
      ];
    case 'uncertain': {
      const { cause, problem, hint } = outcome.failure;
      const message = uncertainSentence(outcome, container);
      // the cooldown counts from the answer, and may be over by the time the broker has been verified
      const waitMs = Math.max(0, outcome.answeredMonoMs + cooldownMs - now.monoMs);
      const nextTry = timestamp(now.wallMs + waitMs);
      return [
        {
          event: 'restart_failed',
          details: { ...details, cause, error: problem, next_try: nextTry, message, hint },
        },
      ];
    }
    case 'not_done':
      return [];
  }
}

/** A restart whose answer was an error, or was lost, in one sentence. */
export function uncertainSentence(
  { failure, broker }: Extract<RestartOutcome, { kind: 'uncertain' }>,
  container: string,
): string {
  const { problem } = failure;
  if (broker?.up === false)
    return `${container} could not be restarted and does not run: ${problem}; it is started again after the cooldown`;
  return `it is not known whether ${container} was restarted: ${problem}; it is inspected again after the cooldown`;
}

/** What to do about a broker that is not well after its restart; it is undefined where nobody has seen it since. */
export function adviceAfter(broker: BrokerState | undefined, name: string, target: Target): string {
  switch (broker?.kind ?? brokerKind(target)) {
    case 'service':
      return `${seeLog('service', name)}; fix the cause and update it by hand (docker service update --force ${name})`;
    case 'unit':
      return `${seeLog('unit', name)}; fix the cause and restart it by hand (systemctl restart ${name})`;
    case 'container':
      return adviceOnContainer(broker?.kind === 'container' ? broker : undefined, name);
  }
}

function adviceOnContainer(broker: ContainerState | undefined, container: string): string {
  if (broker?.unit !== undefined)
    return `systemd has taken the restart for the end of ${broker.unit}: systemctl start ${broker.unit}, and set MOSQUITTO_UNIT=${broker.unit} instead of MOSQUITTO_CONTAINER`;
  if (broker?.up !== true || broker.health === undefined || broker.health === 'healthy')
    return `${seeLog('container', container)}; fix the cause and restart it by hand`;
  return `see what the check says: docker inspect --format '{{json .State.Health}}' ${container}; it counts as healthy as soon as the check passes`;
}

function brokerUnhealthy(
  outcome: { why: string; broker: BrokerState | undefined },
  container: string,
  target: Target,
) {
  return {
    error: outcome.why,
    status: outcome.broker?.status,
    exit_code: outcome.broker?.kind === 'service' ? undefined : outcome.broker?.exitCode,
    health: outcome.broker && healthOf(outcome.broker),
    message: `${container} is not well after its restart: ${outcome.why}; it is not restarted again for this set`,
    hint: adviceAfter(outcome.broker, container, target),
  };
}

/** The broker turned out to run with this set. If it was already known to have it, this is not reported. */
export function brokerAdopted(memory: BrokerMemory, step: AdoptStep, container: string): Announcement[] {
  if (memory.applied?.fingerprint === step.fingerprint) return [];
  const { fingerprint, startedAt, isPresented, presentedBy = [] } = step;
  const message = isPresented
    ? `the listener of ${container} presents this certificate already: somebody has signalled it; no restart`
    : `${container} was started after these files were last changed and has read them; no restart`;
  const details = { container, fingerprint, started_at: startedAt, proof: isPresented && 'listener' };
  const event = 'broker_already_current';
  if (presentedBy.length === 0) return [{ event, details: { ...details, message } }];
  return presentedBy.map((set) => ({
    event,
    details: { set, ...details, message: `${set}: ${message}` },
  }));
}
