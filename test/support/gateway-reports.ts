/** Gateways of a fleet as they are known at one moment: well, with what differs from that. */

import type { Gateway, GatewayReport } from '../../src/core/model/gateway.ts';

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;
/** when the fleet is looked at: 2026-11-28T12:00:00Z */
export const NOW = Date.UTC(2026, 10, 28, 12);

/** What a gateway that is well has reported ten minutes before {@link NOW}. */
export function report(change: Partial<GatewayReport> = {}): GatewayReport {
  return {
    atMs: NOW - 10 * MINUTE_MS,
    version: '1.2.3',
    level: 'ok',
    cause: undefined,
    sentence: 'all is well',
    advice: 'nothing to do',
    notAfterMs: NOW + 30 * DAY_MS,
    expiringFromMs: NOW + 16 * DAY_MS,
    isRotationPending: false,
    isAccepted: true,
    areBridgesUp: true,
    ...change,
  };
}

/** A gateway that is online and well. */
export function gateway(topic = 'cert-watcher/edge-1', change: Partial<Gateway> = {}): Gateway {
  return { topic, isOnline: true, report: report(), problem: undefined, ...change };
}
