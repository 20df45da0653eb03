/** A fleet for programs. */

import { exitCodeOf } from '../../core/status/exit-code.ts';
import type { GatewayStatus } from '../../core/status/fleet.ts';
import { visibleJson } from '../../core/text/printable.ts';
import { adviceOf, type FleetView, levelOf, summaryOf } from './fleet-report.ts';

/** Incremented when a key changes its meaning or is removed. */
const SCHEMA_VERSION = 1;

/** The whole as one object; unknown values are null. */
export function fleetJson(view: FleetView): string {
  const level = levelOf(view);
  return line({
    schema_version: SCHEMA_VERSION,
    now: new Date(view.nowMs).toISOString(),
    broker: view.broker,
    topic: view.topic,
    status: level,
    exit_code: exitCodeOf(level),
    summary: summaryOf(view),
    advice: adviceOf(view) ?? null,
    complete: view.incomplete === undefined && view.trouble === undefined,
    incomplete_because: view.incomplete ?? view.trouble?.problem ?? null,
    counts: view.fleet.counts,
    gateways: view.fleet.groups.flatMap(({ members }) => members.map(gatewayDocument)),
  });
}

/** One gateway on a line of its own, when it has changed; `undefined`: it is gone. */
export function gatewayLine(topic: string, status: GatewayStatus | undefined): string {
  return line(status === undefined ? { topic, status: null } : gatewayDocument(status));
}

function gatewayDocument({ topic, level, cause, sentence, advice, daysLeft, gateway }: GatewayStatus) {
  const { report, isOnline } = gateway;
  return {
    topic,
    status: level,
    cause: cause ?? null,
    summary: sentence,
    advice: advice ?? null,
    online: isOnline ?? null,
    reported_at: time(report?.atMs),
    days_remaining: daysLeft ?? null,
    not_after: time(report?.notAfterMs),
    rotation_pending: report?.isRotationPending ?? null,
    upstream_ok: report?.isAccepted ?? null,
    bridges_up: report?.areBridgesUp ?? null,
    version: report?.version ?? null,
  };
}

function time(wallMs: number | undefined): string | null {
  return wallMs === undefined ? null : new Date(wallMs).toISOString();
}

function line(document: object): string {
  return `${visibleJson(JSON.stringify(document))}\n`;
}
