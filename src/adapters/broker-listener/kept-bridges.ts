/** Stores the messages about bridges: a bounded number of bridges, over all connections to the broker. */

import { type Bridge, type BridgeSight, LONGEST_BRIDGE_NAME, MOST_BRIDGES } from '../../core/model/bridge.ts';

/** The stored state of one bridge. */
interface Kept extends Bridge {
  /** our connection in which it was last reported */
  readonly heardIn: number;
}

export interface KeptBridges {
  /** A new connection begins: earlier reports count only once they are repeated. */
  begin(): void;
  /** Handles a message about the bridge of this name; returns whether it makes a difference. */
  take(name: string, payload: Buffer, isRetained: boolean): boolean;
  /** Counts a message that was too long to store; returns whether it is the first of this connection. */
  skip(): boolean;
  /** The broker has sent all that it retains: drops what it has not repeated. */
  settle(): void;
  /** What has been reported in this connection. */
  sight(): Extract<BridgeSight, { ok: true }>;
}

export function createKeptBridges(): KeptBridges {
  const kept = new Map<string, Kept>();
  let connections = 0;
  let messages = 0;
  let lastLive = 0;
  let leftOut = { bridges: false, messages: false };

  /** Bridges that this connection has not reported make room for those that it does. */
  function hasRoomFor(name: string): boolean {
    if (Buffer.byteLength(name) > LONGEST_BRIDGE_NAME) return false;
    if (kept.size < MOST_BRIDGES) return true;
    for (const [stale, { heardIn }] of kept) {
      if (heardIn !== connections) return kept.delete(stale);
    }
    return false;
  }

  return {
    begin() {
      connections += 1;
      leftOut = { bridges: false, messages: false };
    },
    take(name, payload, isRetained) {
      messages += 1;
      if (!isRetained) lastLive = messages;
      // this clears a retained message: there is no bridge of this name, or it is no longer reported
      if (payload.length === 0) return kept.delete(name);
      const before = kept.get(name);
      if (before === undefined && !hasRoomFor(name)) {
        const isNews = !leftOut.bridges;
        leftOut = { ...leftOut, bridges: true };
        return isNews;
      }
      const up = payload.length === 1 && payload[0] === 0x31;
      const isChange = before?.up !== up;
      kept.set(name, {
        connection: name,
        up,
        changes: (before?.changes ?? 0) + (isChange ? 1 : 0),
        fellAt: !up && !isRetained ? messages : (before?.fellAt ?? 0),
        roseAt: up && !isRetained ? messages : (before?.roseAt ?? 0),
        heardIn: connections,
      });
      return isChange || before?.heardIn !== connections;
    },
    skip() {
      messages += 1;
      const isFirst = !leftOut.messages;
      leftOut = { ...leftOut, messages: true };
      return isFirst;
    },
    settle() {
      for (const [name, { heardIn }] of kept) if (heardIn !== connections) kept.delete(name);
    },
    sight() {
      const heard = [...kept.values()].filter(({ heardIn }) => heardIn === connections);
      const bridges = heard.map(({ heardIn: _, ...bridge }) => bridge).toSorted(byName);
      return { ok: true, bridges, messages, lastLive, leftOut };
    },
  };
}

function byName(a: Bridge, b: Bridge): number {
  return a.connection < b.connection ? -1 : 1;
}
