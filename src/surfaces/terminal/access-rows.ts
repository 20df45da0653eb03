/** The rows of `check` about rights: what the engine's socket or polkit grants, and a container that belongs to a unit. */

import { type EngineAccess, explainAccess } from '../../core/engine/access.ts';
import type { EngineCall } from '../../core/engine/calls.ts';
import type { Settings } from '../../core/model/settings.ts';
import { neededVerbs } from '../../core/model/unit.ts';
import type { Snapshot } from '../../core/status/snapshot.ts';
import type { Row } from './row.ts';

export interface Rights {
  readonly snapshot: Snapshot;
  /** what the engine's socket grants; undefined: no engine is asked */
  readonly access: EngineAccess | undefined;
  /** the calls that it has to grant */
  readonly needed: readonly EngineCall[];
  /** this command runs as root */
  readonly isRoot: boolean;
}

/** Calls granted beyond those needed are information, not a problem with a certificate. */
export function accessRow({ access, needed, snapshot, isRoot }: Rights): Row {
  if (access === undefined) return unitAccessRow(snapshot.settings, isRoot);
  const level = access.kind === 'unknown' ? undefined : 'ok';
  return { name: 'Docker socket', level, ...explainAccess(access, needed) };
}

/** Whether polkit would grant a restart can only be seen by making one. */
function unitAccessRow({ targetLabel, reloadStrategy }: Settings, isRoot: boolean): Row {
  const name = 'systemd';
  if (isRoot) return { name, level: 'ok', message: 'root may restart any unit' };
  const verbs = neededVerbs(reloadStrategy).join(', ');
  return {
    name,
    level: undefined,
    message: `polkit has to grant this user these on ${targetLabel}: ${verbs}; whether it does shows at a restart`,
    hint: 'mosquitto-cert-watcher unit-policy prints the rule',
  };
}

/**
 * A container that belongs to a unit is started and stopped by systemd, which takes a restart by others for its end, and
 * has Podman remove it (seen with a Quadlet of Podman 5.4).
 */
export function unitRows({ brokers }: Snapshot): Row[] {
  return brokers.flatMap(({ container, seen }) => {
    const unit = seen?.state.kind === 'container' ? seen.state.unit : undefined;
    if (unit === undefined) return [];
    return [
      {
        name: 'unit',
        level: 'warning' as const,
        message: `${container} belongs to the unit ${unit} (PODMAN_SYSTEMD_UNIT): systemd takes a restart that it has not made for its end, and the container is removed`,
        hint: `set MOSQUITTO_UNIT=${unit} instead of MOSQUITTO_CONTAINER, for a watcher that runs on the host`,
      },
    ];
  });
}
