/** The reload of a broker by SIGHUP, and the proof that it was enough. */

import type { Clock } from './adapters/clock.ts';
import type { Engine } from './adapters/engine.ts';
import { allUp, type BridgeSight, haveReconnected } from './core/bridge.ts';
import type { BrokerState } from './core/broker.ts';
import type { CertificateSet } from './core/observation.ts';
import type { Settings } from './core/settings.ts';

/** How a reload ended. */
export type ReloadOutcome =
  | { readonly kind: 'proven'; readonly broker: BrokerState; readonly proof: 'bridge' | 'listener' }
  /** nothing shows that it was enough; why, in a sentence about the broker */
  | { readonly kind: 'unproven'; readonly why: string }
  /** it has been started meanwhile, by whomever, and has read the files then */
  | { readonly kind: 'started_anew' };

export type ReloadBroker = (before: BrokerState, set: CertificateSet) => Promise<ReloadOutcome>;

export interface ReloadParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly settings: Settings;
  /** what the broker says of its bridges now */
  readonly sight: () => BridgeSight;
  /** the digest of the leaf that the broker's listener presents; undefined where it has no TLS, or does not answer */
  readonly presentedLeaf: () => Promise<string | undefined>;
}

const POLL_MS = 500;

/**
 * Signals the broker and waits, for RESTART_VERIFY_TIMEOUT at most, until each of its bridges has connected anew or,
 * where it has none, until its listener presents the new certificate. It never throws.
 */
export function createReload({ engine, clock, settings, sight, presentedLeaf }: ReloadParts): ReloadBroker {
  return async (before, set) => {
    const heard = sight();
    const hasBridges = heard.ok && heard.bridges.length > 0;
    const answer = await engine.hangUp();
    if (!answer.ok) return { kind: 'unproven', why: answer.problem };
    const endMs = clock.now().monoMs + settings.verifyTimeoutMs;
    const isProven = async () =>
      hasBridges ? haveReconnected(heard, sight()) : (await presentedLeaf()) === set.leaf.sha256;
    const never = new AbortController().signal;
    for (;;) {
      const proven = await isProven();
      const seen = await engine.inspect();
      if (seen.ok && seen.value.startedAt !== before.startedAt) return { kind: 'started_anew' };
      if (seen.ok && !seen.value.up) return { kind: 'unproven', why: 'the signal has ended it' };
      if (seen.ok && proven) {
        return { kind: 'proven', broker: seen.value, proof: hasBridges ? 'bridge' : 'listener' };
      }
      const leftMs = endMs - clock.now().monoMs;
      if (leftMs <= 0) return { kind: 'unproven', why: reasonFor(hasBridges, sight()) };
      await clock.sleep(Math.min(POLL_MS, leftMs), never);
    }
  };
}

function reasonFor(hasBridges: boolean, now: BridgeSight): string {
  if (!hasBridges) return 'its listener does not present the new certificate';
  return allUp(now) ? 'its bridge keeps the connection that it has' : 'its bridge has not connected again';
}
