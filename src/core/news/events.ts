/** The catalogue of everything that the watcher reports: names, components and levels are a contract. */

import type { LogLevel } from '../model/settings.ts';

/** The part that a problem is about. */
export const PARTS = ['certificates', 'upstream', 'broker', 'bridge', 'watcher'] as const;
export type Part = (typeof PARTS)[number];

export interface EventKind {
  readonly component: 'watcher' | 'cert' | 'tls' | 'restart' | 'metrics';
  readonly level: LogLevel;
  /** the part that has a problem as long as the condition holds; null: it is no fault, or reported in another way */
  readonly part: Part | null;
}

export const EVENTS = {
  started: { component: 'watcher', level: 'info', part: null },
  stopped: { component: 'watcher', level: 'info', part: null },
  watch_degraded: { component: 'watcher', level: 'warn', part: null },
  cycle_failed: { component: 'watcher', level: 'error', part: null },
  notify_failed: { component: 'watcher', level: 'warn', part: null },
  state_path: { component: 'watcher', level: 'debug', part: null },
  cert_missing: { component: 'cert', level: 'warn', part: 'certificates' },
  cert_parsed: { component: 'cert', level: 'info', part: null },
  cert_parse_failed: { component: 'cert', level: 'error', part: 'certificates' },
  cert_ignored: { component: 'cert', level: 'warn', part: 'certificates' },
  cert_expired: { component: 'cert', level: 'error', part: 'certificates' },
  cert_expiring: { component: 'cert', level: 'warn', part: 'certificates' },
  cert_not_yet_valid: { component: 'cert', level: 'warn', part: 'certificates' },
  cert_key_mismatch: { component: 'cert', level: 'error', part: 'certificates' },
  tls_probe_success: { component: 'tls', level: 'info', part: null },
  tls_probe_failure: { component: 'tls', level: 'warn', part: null },
  set_promoted: { component: 'cert', level: 'info', part: null },
  promotion_failed: { component: 'cert', level: 'error', part: 'certificates' },
  set_rolled_back: { component: 'cert', level: 'error', part: null },
  set_unreadable_by_broker: { component: 'cert', level: 'error', part: 'certificates' },
  crl_expiring: { component: 'cert', level: 'warn', part: 'certificates' },
  crl_expired: { component: 'cert', level: 'error', part: 'certificates' },
  conf_unreadable: { component: 'cert', level: 'error', part: 'certificates' },
  conf_finding: { component: 'cert', level: 'info', part: null },
  engine_access: { component: 'restart', level: 'info', part: null },
  restart_deferred: { component: 'restart', level: 'info', part: null },
  restart_suppressed_cooldown: { component: 'restart', level: 'info', part: null },
  restart_requested: { component: 'restart', level: 'info', part: null },
  restart_held: { component: 'restart', level: 'warn', part: null },
  restart_disabled: { component: 'restart', level: 'info', part: 'broker' },
  mosquitto_restart_triggered: { component: 'restart', level: 'info', part: null },
  restart_completed: { component: 'restart', level: 'info', part: null },
  restart_failed: { component: 'restart', level: 'error', part: 'broker' },
  mosquitto_reload_triggered: { component: 'restart', level: 'info', part: null },
  reload_completed: { component: 'restart', level: 'info', part: null },
  reload_insufficient: { component: 'restart', level: 'warn', part: null },
  broker_already_current: { component: 'restart', level: 'info', part: null },
  broker_not_running: { component: 'restart', level: 'info', part: 'broker' },
  broker_paused: { component: 'restart', level: 'warn', part: 'broker' },
  broker_starting: { component: 'restart', level: 'info', part: null },
  broker_unhealthy: { component: 'restart', level: 'error', part: 'broker' },
  service_updating: { component: 'restart', level: 'info', part: null },
  set_outdated: { component: 'restart', level: 'warn', part: 'broker' },
  listener_outdated: { component: 'restart', level: 'warn', part: 'broker' },
  bridge_connected: { component: 'restart', level: 'info', part: null },
  bridge_down: { component: 'restart', level: 'warn', part: 'bridge' },
  roll_stopped: { component: 'restart', level: 'error', part: 'broker' },
  server_started: { component: 'metrics', level: 'info', part: null },
  server_failed: { component: 'metrics', level: 'error', part: null },
} as const satisfies Record<string, EventKind>;

export type EventName = keyof typeof EVENTS;

export type Details = Readonly<Record<string, unknown>>;

/** Something to report once, now. */
export interface Announcement {
  readonly event: EventName;
  readonly details: Details;
}
