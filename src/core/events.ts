/** The catalogue of everything that the watcher says: names, components and levels are a contract. */

import type { LogLevel } from './settings.ts';

export interface EventKind {
  readonly component: 'watcher' | 'cert' | 'tls' | 'restart' | 'metrics';
  readonly level: LogLevel;
}

export const EVENTS = {
  started: { component: 'watcher', level: 'info' },
  stopped: { component: 'watcher', level: 'info' },
  watch_degraded: { component: 'watcher', level: 'warn' },
  cycle_failed: { component: 'watcher', level: 'error' },
  state_path: { component: 'watcher', level: 'debug' },
  cert_missing: { component: 'cert', level: 'warn' },
  cert_parsed: { component: 'cert', level: 'info' },
  cert_parse_failed: { component: 'cert', level: 'error' },
  cert_expired: { component: 'cert', level: 'error' },
  cert_expiring: { component: 'cert', level: 'warn' },
  cert_not_yet_valid: { component: 'cert', level: 'warn' },
  cert_key_mismatch: { component: 'cert', level: 'error' },
  tls_probe_success: { component: 'tls', level: 'info' },
  tls_probe_failure: { component: 'tls', level: 'warn' },
  engine_access: { component: 'restart', level: 'info' },
  restart_deferred: { component: 'restart', level: 'info' },
  restart_suppressed_cooldown: { component: 'restart', level: 'info' },
  restart_held: { component: 'restart', level: 'warn' },
  restart_disabled: { component: 'restart', level: 'info' },
  mosquitto_restart_triggered: { component: 'restart', level: 'info' },
  restart_completed: { component: 'restart', level: 'info' },
  restart_failed: { component: 'restart', level: 'error' },
  mosquitto_reload_triggered: { component: 'restart', level: 'info' },
  reload_completed: { component: 'restart', level: 'info' },
  reload_insufficient: { component: 'restart', level: 'warn' },
  broker_already_current: { component: 'restart', level: 'info' },
  broker_not_running: { component: 'restart', level: 'info' },
  broker_unhealthy: { component: 'restart', level: 'error' },
  service_updating: { component: 'restart', level: 'info' },
  set_outdated: { component: 'restart', level: 'warn' },
  bridge_connected: { component: 'restart', level: 'info' },
  bridge_down: { component: 'restart', level: 'warn' },
  roll_stopped: { component: 'restart', level: 'error' },
  server_started: { component: 'metrics', level: 'info' },
  server_failed: { component: 'metrics', level: 'error' },
} as const satisfies Record<string, EventKind>;

export type EventName = keyof typeof EVENTS;

export type Details = Readonly<Record<string, unknown>>;

/** Something to be said once, now. */
export interface Announcement {
  readonly event: EventName;
  readonly details: Details;
}

/**
 * Something that is so at the moment. It is said when it begins and when `subject` changes; `details` may
 * change freely. Two conditions of one event are told apart by `about`.
 */
export interface Condition extends Announcement {
  readonly about?: string;
  readonly subject: string;
}
