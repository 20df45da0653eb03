/** What brokers say of their bridges, and what may be concluded from it. */

/** One bridge connection of a broker, by its topic `$SYS/broker/connection/{connection}/state`. */
export interface Bridge {
  readonly connection: string;
  readonly up: boolean;
  /** how often it has been heard to connect; what it was when we came is not counted */
  readonly connects: number;
}

/** What one broker says at this moment. */
export type BridgeSight =
  | { readonly ok: true; readonly bridges: readonly Bridge[] }
  /** nobody knows: the watcher is not logged in there */
  | { readonly ok: false; readonly problem: string; readonly hint: string };

/** The bridges of one broker as the loop remembers them. */
export interface BridgeMemory {
  readonly sight: BridgeSight;
  /** monotonic milliseconds since when that is so */
  readonly sinceMonoMs: number;
}

/** Whether two looks say the same; why nobody knows may change with every attempt, and is no news. */
export function sameSight(a: BridgeSight, b: BridgeSight): boolean {
  if (!a.ok || !b.ok) return a.ok === b.ok;
  const words = (sight: readonly Bridge[]) => sight.map(({ connection, up }) => `${connection} ${up}`);
  return words(a.bridges).join('\n') === words(b.bridges).join('\n');
}

/** Every bridge is up, and there is one. */
export function allUp(sight: BridgeSight): boolean {
  return sight.ok && sight.bridges.length > 0 && sight.bridges.every(({ up }) => up);
}

/**
 * Whether every bridge has connected anew since `before`: the proof that a reload has reached it, because one that
 * a signal does not move keeps the connection that it has.
 */
export function haveReconnected(before: BridgeSight, now: BridgeSight): boolean {
  if (!before.ok || !allUp(now) || !now.ok) return false;
  const connectsOf = (name: string) =>
    before.bridges.find(({ connection }) => connection === name)?.connects ?? 0;
  return now.bridges.every(({ connection, connects }) => connects > connectsOf(connection));
}
