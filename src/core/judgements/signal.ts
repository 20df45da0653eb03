/**
 * Whether a signal (SIGHUP) is tried before a restart: only where the broker's own behaviour can prove that it was
 * enough (docs/decisions/0015-a-signal-and-its-proof.md). If nothing can prove it, the broker is restarted.
 */

import { authoritiesOf } from '../memory/memory.ts';
import { hasLeaf } from '../memory/presented.ts';
import type { BrokerState } from '../model/broker.ts';
import { listenerOf } from '../model/settings.ts';
import type { Signal } from '../model/step.ts';
import type { SetSituation } from '../situation.ts';
import { signalOfSets } from './signal-sets.ts';

/** Whether a signal is tried first for this set; undefined: signals are not enabled. */
export function signalOf(situation: SetSituation, broker: BrokerState): Signal | undefined {
  const { settings, memory, files } = situation;
  if (settings.reloadStrategy === 'restart') return undefined;
  if (!broker.up) return none('it is down');
  if (broker.kind === 'unit' && broker.ofPodman)
    return none("it is a container's unit, whose main process is not the broker");
  if (files.sets !== undefined) return signalOfSets(situation, broker);
  if (settings.certRole === 'listener') return ofListenersSet(situation);
  const sight = memory.bridges?.sight;
  if (sight?.ok !== true) return none('it cannot be asked for its bridges');
  // a bridge reads its CA file when it connects, a listener only when the broker starts; which one uses it cannot be
  // seen
  if (memory.applied?.authorities !== authoritiesOf(files)) {
    return none(
      'the CA certificates are not known to be those that it has, and a listener reads them only at its start',
    );
  }
  if (sight.leftOut.bridges) return none('it lists too many bridges to watch them all');
  if (sight.bridges.length > 0) return ofBridges(situation);
  return ofListener(situation, sight.messages > 0);
}

/** The set is that of a listener, so that bridges do not matter. */
function ofListenersSet({ name, settings, memory, files }: SetSituation): Signal {
  if (listenerOf(settings, name)?.tls !== true) return none('BROKER_URL is no TLS listener');
  if (files.authorities.length > 0 && memory.applied?.authorities !== authoritiesOf(files)) {
    return none(
      'the CA certificates are not known to be those that it has, and a listener reads them only at its start',
    );
  }
  if (hasLeaf(memory.applied, files))
    return none('its listener presents this certificate already, so that this would prove nothing');
  return { kind: 'first', proof: 'listener' };
}

/** A bridge that goes down and up for other reasons would prove a reload that never reached it. */
function ofBridges({ memory, now, settings }: SetSituation): Signal {
  const live = memory.bridges?.live;
  if (live !== undefined && now.monoMs - live.atMonoMs < settings.verifyTimeoutMs) {
    return none('its bridges have just gone down and up, so a signal would prove nothing');
  }
  return { kind: 'first', proof: 'bridge' };
}

/**
 * A bridge may be silent (`notifications false`), and then keeps its old certificate unseen while the listener presents
 * the new one. So the listener is proof for the files only where no bridge can use them: there is no upstream for them,
 * no bridge has ever been reported, and the certificate itself is not for clients.
 */
function ofListener({ name, settings, files }: SetSituation, hasHeardBridges: boolean): Signal {
  const silent = 'a bridge that publishes no state may use these certificates';
  if (settings.bridgeName !== undefined) return none(`its bridge ${settings.bridgeName} is not listed`);
  if (hasHeardBridges) return none('its bridge is no longer listed');
  if (settings.upstream !== undefined) return none(`it lists no bridge to UPSTREAM_ADDR; ${silent}`);
  if (files.leaf.mayBeClient) return none(`it lists no bridge; ${silent}, which are for clients too`);
  if (listenerOf(settings, name)?.tls !== true)
    return none('it lists no bridge, and BROKER_URL is no TLS listener');
  return { kind: 'first', proof: 'listener' };
}

function none(why: string): Signal {
  return { kind: 'none', why };
}
