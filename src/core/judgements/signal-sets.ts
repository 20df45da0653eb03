/**
 * Whether a signal is tried for several sets of one broker: only where it brings each of those that have changed, and the
 * broker shows that it has (docs/decisions/0031-every-set-of-a-broker.md).
 */

import { whyNoSignal } from '../memory/presented.ts';
import { reportedBridges } from '../model/bridge.ts';
import type { BrokerState } from '../model/broker.ts';
import type { NamedSet } from '../model/files.ts';
import type { Proving, Signal } from '../model/step.ts';
import { changedSets, type SetSituation, viewOf } from '../situation.ts';

/** What has to prove that a signal has brought one set, or why none is tried, in a clause about the broker. */
type Proof = { readonly by: Partial<Proving> } | { readonly why: string };

/** A signal brings certificate and key of a listener, and all of a bridge with `bridge_reload_type immediate`. */
export function signalOfSets(situation: SetSituation, broker: BrokerState): Signal {
  const proofs = changedSets(situation).map((named) =>
    named.role === 'bridge' ? ofBridge(situation, named) : ofListener(situation, named, broker),
  );
  const refused = proofs.find((proof) => 'why' in proof);
  if (refused !== undefined) return { kind: 'none', why: refused.why };
  const by = proofs.flatMap((proof) => ('by' in proof ? [proof.by] : []));
  const listeners = by.flatMap((proving) => proving.listeners ?? []);
  const connections = by.flatMap((proving) => proving.connections ?? []);
  const ofOne = connections.length > 0 ? 'bridge' : 'listener';
  const proof = listeners.length > 0 && connections.length > 0 ? 'both' : ofOne;
  return { kind: 'first', proof, by: { listeners, connections } };
}

function ofListener(situation: SetSituation, named: NamedSet, broker: BrokerState): Proof {
  const { name, listensAt } = named;
  const why = whyNoSignal(viewOf(situation, named).memory, named, broker, situation.now);
  if (why !== undefined) return { why: `${name} ${why}` };
  if (listensAt === undefined)
    return { why: `${name} has no port at which it could be seen what it presents` };
  return { by: { listeners: [name] } };
}

/** A bridge reads all of its files when it connects; its fall and rise after the signal prove that it has. */
function ofBridge({ memory, now, settings }: SetSituation, named: NamedSet): Proof {
  const { name, reloadsAtOnce, reportedAs } = named;
  if (!reloadsAtOnce) return { why: `${name} has changed, which a signal does not move` };
  if (reportedAs === undefined)
    return { why: `${name} has "notifications false", so that nothing would show whether it came back` };
  const { sight, live } = memory.bridges ?? {};
  if (sight?.ok !== true)
    return { why: `${name} has changed, and the broker cannot be asked for its bridges` };
  if (sight.leftOut.bridges) return { why: 'it lists too many bridges to watch them all' };
  const [bridge, another] = reportedBridges(sight, reportedAs);
  if (bridge === undefined) return { why: `${name} is not among the bridges that it lists` };
  if (another !== undefined) {
    const names = `${bridge.connection} or ${another.connection}`;
    return { why: `${name} may be ${names} of the bridges that it lists; remote_clientid would tell` };
  }
  if (live !== undefined && now.monoMs - live.atMonoMs < settings.verifyTimeoutMs)
    return { why: 'its bridges have just gone down and up, so a signal would prove nothing' };
  return { by: { connections: [bridge.connection] } };
}
