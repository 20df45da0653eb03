/**
 * What is reported about bridges that go up and down: immediately, as long as they do so at a human pace. A bridge that
 * flaps, or many invented ones, must not fill the disk with log lines; that lines were left out is reported.
 */

import { type Bridge, type BridgeSight, MOST_BRIDGES } from '../model/bridge.ts';
import { type Allowance, fullAllowance, type Rate, refilled, spent } from './allowance.ts';

/** Per bridge: six lines at once, and then one a minute. */
const OF_EACH: Rate = { most: 6, everyMs: 60_000 };
/** For all bridges of a broker together: one for each that is kept, and then one every ten seconds. */
const OF_ALL: Rate = { most: MOST_BRIDGES, everyMs: 10_000 };
/** How long an omission is remembered, so that it is not reported each time. */
const UNSTEADY_MS = 600_000;

/** What is reported about one bridge. */
export interface ToldBridge {
  readonly connection: string;
  readonly up: boolean;
  /** the spell in which it was reported; it is reported again in the next one */
  readonly spell: string;
  /** how many changes before this one were left out */
  readonly leftOut: number;
  /** {@link Bridge.changes} when it was reported */
  readonly changes: number;
  readonly atMonoMs: number;
  readonly allowance: Allowance;
  /** a change since then was left out */
  readonly isBehind: boolean;
}

export interface BridgeNews {
  readonly told: readonly ToldBridge[];
  readonly allowance: Allowance;
  /** the bridge for which a change was left out last, and when */
  readonly unsteady: { readonly connection: string; readonly atMonoMs: number } | undefined;
}

/** Before anything has been reported. */
export function noNews(nowMonoMs: number): BridgeNews {
  return { told: [], allowance: fullAllowance(OF_ALL, nowMonoMs), unsteady: undefined };
}

/** Reports what has changed in a look, within its allowance; the bridge that was reported last waits longest. */
export function withNews(news: BridgeNews, sight: BridgeSight, spell: string, nowMonoMs: number): BridgeNews {
  if (!sight.ok) return news;
  const before = new Map(news.told.map((told) => [told.connection, told]));
  const lastToldMs = ({ connection }: Bridge) => before.get(connection)?.atMonoMs ?? Number.NEGATIVE_INFINITY;
  let allowance = refilled(news.allowance, OF_ALL, nowMonoMs);
  let { unsteady } = news;
  const after = new Map<string, ToldBridge>();
  for (const bridge of sight.bridges.toSorted((a, b) => lastToldMs(a) - lastToldMs(b))) {
    const { connection, up, changes } = bridge;
    const told = before.get(connection);
    if (told?.up === up && told.spell === spell) {
      after.set(connection, told);
      continue;
    }
    const own = told ? refilled(told.allowance, OF_EACH, nowMonoMs) : fullAllowance(OF_EACH, nowMonoMs);
    if (own.left > 0 && allowance.left > 0) {
      allowance = spent(allowance);
      const leftOut = told?.isBehind === true ? Math.max(0, changes - told.changes - 1) : 0;
      const now = { connection, up, spell, leftOut, changes, atMonoMs: nowMonoMs };
      after.set(connection, { ...now, allowance: spent(own), isBehind: false });
    } else {
      unsteady = { connection, atMonoMs: nowMonoMs };
      if (told !== undefined) after.set(connection, { ...told, allowance: own, isBehind: true });
    }
  }
  const told = sight.bridges.flatMap(({ connection }) => after.get(connection) ?? []);
  const isOver = unsteady !== undefined && nowMonoMs - unsteady.atMonoMs >= UNSTEADY_MS;
  return { told, allowance, unsteady: isOver ? undefined : unsteady };
}
