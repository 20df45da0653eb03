/** What gateways say of themselves over MQTT, as values. */

/** The stable part of the state that a watcher publishes. */
export interface GatewayReport {
  /** when it was published, by the gateway's own clock */
  readonly atMs: number;
  readonly version: string;
  readonly level: 'ok' | 'warning' | 'critical' | 'unknown';
  /** of the worst finding, by a name that stays the same while it lasts */
  readonly cause: string | undefined;
  readonly sentence: string;
  /** what to try */
  readonly advice: string | undefined;
  /** of the client certificate */
  readonly notAfterMs: number | undefined;
  /** from when it counts as expiring */
  readonly expiringFromMs: number | undefined;
  readonly isRotationPending: boolean;
  /** whether the upstream accepts the certificate; undefined: not asked */
  readonly isAccepted: boolean | undefined;
  /** whether every bridge of the broker is up; undefined: not known */
  readonly areBridgesUp: boolean | undefined;
}

/** One gateway, as far as the broker has told. */
export interface Gateway {
  /** its STATUS_TOPIC */
  readonly topic: string;
  /** undefined: nothing is retained there */
  readonly isOnline: boolean | undefined;
  readonly report: GatewayReport | undefined;
  /** why what is retained as its state cannot be read */
  readonly problem: string | undefined;
}

/** Anybody who may publish may invent gateways: no more than these are kept. */
export const MOST_GATEWAYS = 100_000;
