import type { Level } from './assess.ts';

/** The exit codes of monitoring plugins. */
export function exitCodeOf(level: Level): number {
  return { ok: 0, warning: 1, critical: 2, unknown: 3 }[level];
}
