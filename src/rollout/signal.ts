/** SIGHUP, the proof that it was enough, and a restart if the proof does not appear. */

import type { Clock } from '../adapters/clock.ts';
import {
  allUp,
  areReconnecting,
  type BridgeSight,
  haveReconnected,
  NO_BRIDGES,
  RECONNECT_MS,
} from '../core/model/bridge.ts';
import { type BrokerState, type EngineAnswer, isLeftAlone, type SingleState } from '../core/model/broker.ts';
import type { Settings } from '../core/model/settings.ts';
import type { SignalProof } from '../core/model/step.ts';
import type { Order, Rollout, SignalOutcome } from './rollout.ts';

/** A broker that can be signalled, as it was identified by a look. */
export interface Signallable {
  inspect(): Promise<EngineAnswer<SingleState>>;
  signalHangup(id: string): Promise<EngineAnswer<undefined>>;
}

export interface SignalParts {
  readonly broker: Signallable;
  readonly clock: Clock;
  readonly settings: Settings;
  /** what the broker currently reports about its bridges */
  readonly sight: () => BridgeSight;
  /** the digest of the leaf that the broker's listener presents; undefined if it has no TLS, or does not answer */
  readonly presentedLeaf: () => Promise<string | undefined>;
  /** why the proof is missing where no listener presents the leaf; undefined: there is only one */
  readonly notPresented?: { readonly why: string; readonly hint: string };
}

const POLL_MS = 500;

/** A decision that is older than this is not carried out without another look. */
const OLD_DECISION_MS = 1_000;

/** Signals first where that may be enough, and restarts if nothing proves that it was. */
export function createSignalFirst(parts: SignalParts, restart: Rollout): Rollout {
  const { clock } = parts;
  return async function* signalFirst(order) {
    const { signal } = order;
    if (signal?.kind === 'first') {
      yield { kind: 'asked', by: 'signal' };
      const beganMs = clock.now().monoMs;
      const outcome = await signalled(parts, order, signal.proof);
      yield { kind: 'signal_ended', outcome, tookMs: clock.now().monoMs - beganMs };
      if (outcome.kind !== 'unproven') return;
      const left = clock.now().monoMs - beganMs < OLD_DECISION_MS ? undefined : await leftAlone(parts);
      if (left !== undefined) {
        yield { kind: 'dropped', broker: left };
        return;
      }
    }
    yield* restart(order);
  };
}

/** The broker, if somebody has stopped or paused it while the signal was taking effect. */
async function leftAlone({ broker }: SignalParts): Promise<BrokerState | undefined> {
  const answer = await broker.inspect();
  return answer.ok && isLeftAlone(answer.value) ? answer.value : undefined;
}

/**
 * Signals the broker and waits, for RESTART_VERIFY_TIMEOUT at most or, if the bridges have gone down and are
 * reconnecting, for a minute if that is longer, until two looks in a row see the proof: each bridge that was reported
 * before has gone down and come up again since, or the listener presents the new certificate while no bridge is
 * reported, or both where both have to prove it. It never throws.
 */
async function signalled(
  { broker, clock, settings, sight: ofBridges, presentedLeaf, notPresented }: SignalParts,
  { before, set }: Order,
  proof: SignalProof,
): Promise<SignalOutcome> {
  // bridges have no part in the set of a listener
  const sight = settings.certRole === 'listener' ? () => NO_BRIDGES : ofBridges;
  const heard = sight();
  if (!heard.ok) return { kind: 'unproven', why: NOT_HEARD, hint: heard.hint };
  const answer = await broker.signalHangup(before.id);
  if (!answer.ok) return { kind: 'unproven', why: answer.problem, hint: answer.hint };
  const signalledMs = clock.now().monoMs;
  let patienceMs = settings.verifyTimeoutMs;
  /** what the proof is based on, constant as long as nothing happens; undefined while there is none */
  const lookForProof = async (): Promise<string | undefined> => {
    if (proof !== 'listener' && !haveReconnected(heard, sight())) return undefined;
    if (proof !== 'bridge' && (await presentedLeaf()) !== set.leaf.sha256) return undefined;
    const now = sight();
    if (!now.ok) return undefined;
    // a bridge that is first reported now is one that the listener cannot vouch for
    if (proof === 'listener') return now.messages === heard.messages ? set.leaf.sha256 : undefined;
    return String(now.lastLive);
  };
  const never = new AbortController().signal;
  let proven: string | undefined;
  for (;;) {
    const found = await lookForProof();
    const isSettled = found !== undefined && found === proven;
    proven = found;
    const seen = await broker.inspect();
    if (seen.ok && seen.value.startedAt !== before.startedAt) return { kind: 'started_again' };
    if (seen.ok && !seen.value.up)
      return { kind: 'unproven', why: 'the signal has ended it', hint: ENDED_BY_SIGNAL };
    if (seen.ok && isSettled) return { kind: 'proven', broker: seen.value, proof };
    // a bridge that has reacted to the signal needs its own time to reconnect
    if (areReconnecting(heard, sight())) patienceMs = Math.max(RECONNECT_MS, patienceMs);
    const leftMs = signalledMs + patienceMs - clock.now().monoMs;
    if (leftMs <= 0) return { kind: 'unproven', ...reasonFor(proof, heard, sight(), notPresented) };
    await clock.sleep(Math.min(POLL_MS, leftMs), never);
  }
}

const NOT_HEARD = 'it can no longer be asked for its bridges';

const ENDED_BY_SIGNAL =
  'a script as PID 1 dies of SIGHUP: let it exec mosquitto. Mosquitto 2.1 ends where its password_file or acl_file is missing or invalid';

function reasonFor(
  proof: SignalProof,
  heard: Extract<BridgeSight, { ok: true }>,
  now: BridgeSight,
  notPresented = NOT_PRESENTED,
): { readonly why: string; readonly hint: string } {
  if (!now.ok) return { why: NOT_HEARD, hint: now.hint };
  if (proof === 'listener') {
    return now.messages === heard.messages
      ? notPresented
      : { why: 'it turns out to have bridges', hint: RESTART_IS_QUICKER };
  }
  if (haveReconnected(heard, now)) return notPresented;
  if (allUp(now)) return { why: 'its bridge keeps its old connection', hint: RESTART_IS_QUICKER };
  return {
    why: 'its bridge has not reconnected',
    hint: 'see whether the upstream can be reached and takes the certificate, and whether restart_timeout of the bridge is longer than a minute',
  };
}

const NOT_PRESENTED = {
  why: 'its listener does not present the new certificate',
  hint: 'see whether the certfile of the listener in BROKER_URL is the file in CERT_DIR',
};

const RESTART_IS_QUICKER =
  'bridges load new certificates on a signal only with Mosquitto 2.1 and bridge_reload_type immediate; without it, RELOAD_STRATEGY=restart is quicker';
