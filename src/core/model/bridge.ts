/** What brokers report about their bridges, and what follows from it. */

import type { ReportedAs } from './named-set.ts';

/** One bridge connection of a broker, by its topic `$SYS/broker/connection/{connection}/state`. */
export interface Bridge {
  /** as received, at most {@link LONGEST_BRIDGE_NAME} bytes */
  readonly connection: string;
  readonly up: boolean;
  /** how often it was reported to go up or down */
  readonly changes: number;
  /** the number of the last message that was not retained and reported it down; 0: there was none */
  readonly fellAt: number;
  /** the same for up */
  readonly roseAt: number;
}

/** What one broker reports at this moment. */
export type BridgeSight =
  | {
      readonly ok: true;
      /** at most {@link MOST_BRIDGES} */
      readonly bridges: readonly Bridge[];
      /** how many messages about bridges have been received since the watcher began to listen; each has its number */
      readonly messages: number;
      /** the number of the last message that was not retained, and so reported a live event; 0: there was none */
      readonly lastLive: number;
      /** what was dropped since the login because it exceeded a limit */
      readonly leftOut: {
        /** bridges beyond {@link MOST_BRIDGES}, or with too long a name */
        readonly bridges: boolean;
        /** messages that are too long to be about a bridge */
        readonly messages: boolean;
      };
    }
  /** unknown: the watcher is not logged in there */
  | { readonly ok: false; readonly problem: string; readonly hint: string };

/** Any client may invent bridges if the broker lets it publish below `$SYS`: no more than these are kept per broker. */
export const MOST_BRIDGES = 64;

/** In bytes; MQTT would allow 64 kB. */
export const LONGEST_BRIDGE_NAME = 256;

/**
 * Whether two looks report the same. The reason why the state is unknown may change with every attempt, and is not
 * compared.
 */
export function sameSight(a: BridgeSight, b: BridgeSight): boolean {
  if (!a.ok || !b.ok) return a.ok === b.ok;
  const words = (sight: readonly Bridge[]) => sight.map(({ connection, up }) => `${connection} ${up}`);
  return (
    a.leftOut.bridges === b.leftOut.bridges &&
    a.leftOut.messages === b.leftOut.messages &&
    words(a.bridges).join('\n') === words(b.bridges).join('\n')
  );
}

/** Nothing is reported, and nothing ever was: where bridges have no part in something. */
export const NO_BRIDGES: BridgeSight = {
  ok: true,
  bridges: [],
  messages: 0,
  lastLive: 0,
  leftOut: { bridges: false, messages: false },
};

/**
 * The bridges that may be the one that is called so: the broker's own by its whole name, or every one whose name ends so,
 * because an upstream lists those of other brokers too.
 */
export function reportedBridges(
  { bridges }: Extract<BridgeSight, { ok: true }>,
  { name, isWhole }: ReportedAs,
): readonly Bridge[] {
  return bridges.filter(({ connection }) =>
    isWhole ? connection === name : connection.endsWith(`.${name}`),
  );
}

/** What is reported of these bridges alone; unknown where one of them is not. */
export function sightOf(sight: BridgeSight, connections: readonly string[]): BridgeSight {
  if (connections.length === 0) return NO_BRIDGES;
  if (!sight.ok) return sight;
  const bridges = sight.bridges.filter(({ connection }) => connections.includes(connection));
  if (bridges.length < connections.length)
    return { ok: false, problem: 'it no longer lists the bridge', hint: 'see the log of the broker' };
  const lastLive = Math.max(...bridges.flatMap(({ fellAt, roseAt }) => [fellAt, roseAt]));
  return { ...sight, bridges, lastLive };
}

/** There is at least one bridge, and every bridge is up. */
export function allUp(sight: BridgeSight): boolean {
  return sight.ok && sight.bridges.length > 0 && sight.bridges.every(({ up }) => up);
}

/**
 * Whether every bridge that was reported `before` has gone down since, and come up again after that. This proves that a
 * reload has reached it, because a bridge that a signal does not affect keeps its connection and publishes nothing. A 1
 * alone is no proof: any client may publish it, and a broker repeats it.
 */
export function haveReconnected(before: BridgeSight, now: BridgeSight): boolean {
  if (!before.ok || !now.ok || before.bridges.length === 0) return false;
  return before.bridges.every(({ connection }) => {
    const bridge = now.bridges.find((each) => each.connection === connection);
    return bridge?.up === true && bridge.roseAt > bridge.fellAt && bridge.fellAt > before.messages;
  });
}

/**
 * A bridge that reacts to a signal reconnects after its own back-off: 6 to 20 s with Mosquitto 2.1, and never more than
 * 30 s unless `restart_timeout` says so.
 */
export const RECONNECT_MS = 60_000;

/** Whether every bridge that was reported `before` has reacted to the signal, and some of them are not back yet. */
export function areReconnecting(before: BridgeSight, now: BridgeSight): boolean {
  if (!before.ok || !now.ok || before.bridges.length === 0) return false;
  const moved = before.bridges.every(({ connection }) =>
    now.bridges.some((bridge) => bridge.connection === connection && bridge.fellAt > before.messages),
  );
  return moved && !haveReconnected(before, now);
}
