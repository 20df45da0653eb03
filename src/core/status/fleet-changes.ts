/** Which gateways of a fleet have changed since they were last asked about. */

import type { Gateway } from '../model/gateway.ts';
import type { Level } from './assess.ts';
import { type GatewayStatus, statusOf } from './fleet.ts';

export interface GatewayChange {
  readonly topic: string;
  /** undefined: it was not there */
  readonly before: Level | undefined;
  /** undefined: it is gone */
  readonly now: GatewayStatus | undefined;
}

export interface FleetChanges {
  /** The change of one gateway, if it is one; texts in which only a number has changed are none. */
  of(topic: string, nowMs: number): readonly GatewayChange[];
  /** The changes of all. */
  sweep(nowMs: number): readonly GatewayChange[];
}

interface Gateways {
  all(): Iterable<Gateway>;
  get(topic: string): Gateway | undefined;
}

export function createFleetChanges(gateways: Gateways): FleetChanges {
  const known = new Map<string, { readonly level: Level; readonly signature: string }>();

  function compare(topic: string, gateway: Gateway | undefined, nowMs: number): readonly GatewayChange[] {
    const before = known.get(topic);
    if (gateway === undefined) {
      known.delete(topic);
      return before === undefined ? [] : [{ topic, before: before.level, now: undefined }];
    }
    const now = statusOf(gateway, nowMs);
    const signature = signatureOf(now);
    if (before?.signature === signature) return [];
    known.set(topic, { level: now.level, signature });
    return [{ topic, before: before?.level, now }];
  }

  return {
    of: (topic, nowMs) => compare(topic, gateways.get(topic), nowMs),
    sweep(nowMs) {
      const gone = [...known.keys()].filter((topic) => gateways.get(topic) === undefined);
      return [
        ...gone.flatMap((topic) => compare(topic, undefined, nowMs)),
        ...[...gateways.all()].flatMap((gateway) => compare(gateway.topic, gateway, nowMs)),
      ];
    },
  };
}

function signatureOf({ level, cause, gateway: { report } }: GatewayStatus): string {
  const said = report && [
    report.notAfterMs,
    report.isRotationPending,
    report.isAccepted,
    report.areBridgesUp,
  ];
  return [level, cause, ...(said ?? [])].join(' ');
}
