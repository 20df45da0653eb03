/** Words for what is done to the broker, as against what is so: each is said once, when it happens. */

import type { BrokerStep } from './branches.ts';
import type { BrokerState, RestartOutcome } from './broker.ts';
import type { Announcement } from './events.ts';
import type { Memory } from './memory.ts';
import type { CertificateSet, Moment } from './observation.ts';
import type { Settings } from './settings.ts';
import { timestamp } from './timestamp.ts';

/** A restart is about to be asked for. A repetition of one that did not happen is no news. */
export function restartTriggered(memory: Memory, set: CertificateSet, settings: Settings): Announcement[] {
  const { lastRestart } = memory;
  if (lastRestart?.outcome.kind === 'not_done' && lastRestart.fingerprint === set.fingerprint) return [];
  return [
    {
      event: 'mosquitto_restart_triggered',
      details: {
        container: settings.container,
        fingerprint: set.fingerprint,
        previous_fingerprint: memory.applied?.fingerprint,
        subject: set.leaf.subject,
        not_after: timestamp(set.leaf.notAfterMs),
        message: `the certificates have changed; ${settings.container} is restarted`,
      },
    },
  ];
}

/** A reload is about to be tried. */
export function reloadTriggered(memory: Memory, set: CertificateSet, { container }: Settings): Announcement {
  return {
    event: 'mosquitto_reload_triggered',
    details: {
      container,
      fingerprint: set.fingerprint,
      previous_fingerprint: memory.applied?.fingerprint,
      subject: set.leaf.subject,
      not_after: timestamp(set.leaf.notAfterMs),
      message: `the certificates have changed; ${container} is told to read them again (SIGHUP)`,
    },
  };
}

/** The signal was enough. */
export function reloadCompleted(
  set: CertificateSet,
  proof: 'bridge' | 'listener',
  tookMs: number,
  { container }: Settings,
): Announcement {
  const shown = proof === 'bridge' ? 'its bridges have connected again' : 'its listener presents them';
  return {
    event: 'reload_completed',
    details: {
      container,
      fingerprint: set.fingerprint,
      duration_ms: Math.round(tookMs),
      proof,
      message: `${container} has taken up the new certificates without a restart: ${shown}`,
    },
  };
}

/** Nothing shows that the signal was enough: a restart follows. */
export function reloadInsufficient(
  set: CertificateSet,
  why: string,
  tookMs: number,
  { container }: Settings,
): Announcement {
  return {
    event: 'reload_insufficient',
    details: {
      container,
      fingerprint: set.fingerprint,
      duration_ms: Math.round(tookMs),
      error: why,
      message: `the signal was not enough for ${container}: ${why}; it is restarted`,
      hint: 'bridges take up new certificates by a signal only with Mosquitto 2.1 and bridge_reload_type immediate; without it, RELOAD_STRATEGY=restart is quicker',
    },
  };
}

/** How a restart ended. One that did not happen stays a condition of the cycles that follow. */
export function restartEnded(
  outcome: RestartOutcome,
  set: CertificateSet,
  now: Moment,
  { container, cooldownMs }: Settings,
): Announcement[] {
  const details = { container, fingerprint: set.fingerprint, duration_ms: Math.round(outcome.tookMs) };
  switch (outcome.kind) {
    case 'verified': {
      const { startedAt, health } = outcome.broker;
      const message = `${container} has been restarted and is ${health ?? 'running'}`;
      return [
        { event: 'restart_completed', details: { ...details, started_at: startedAt, health, message } },
      ];
    }
    case 'unhealthy':
      return [{ event: 'broker_unhealthy', details: { ...details, ...brokerUnhealthy(outcome, container) } }];
    case 'uncertain': {
      const { cause, problem, hint } = outcome.failure;
      const message = `nobody knows whether ${container} was restarted: ${problem}; it is looked at again after the cooldown`;
      const nextTry = timestamp(now.wallMs + (outcome.answeredMonoMs + cooldownMs - now.monoMs));
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

function brokerUnhealthy(outcome: { why: string; broker: BrokerState | undefined }, container: string) {
  return {
    error: outcome.why,
    status: outcome.broker?.status,
    exit_code: outcome.broker?.exitCode,
    health: outcome.broker?.health,
    message: `${container} is not well after its restart: ${outcome.why}; it is not restarted again for this set`,
    hint: `see docker logs ${container}; mend the cause and restart it by hand`,
  };
}

/** The broker turned out to run with this set. Of the set that it was known to have, this is no news. */
export function brokerAdopted(
  memory: Memory,
  step: Extract<BrokerStep, { kind: 'adopt' }>,
  { container }: Settings,
): Announcement[] {
  if (memory.applied?.fingerprint === step.fingerprint) return [];
  return [
    {
      event: 'broker_already_current',
      details: {
        container,
        fingerprint: step.fingerprint,
        started_at: step.startedAt,
        message: `${container} was started after these files were last changed and has read them; no restart`,
      },
    },
  ];
}
