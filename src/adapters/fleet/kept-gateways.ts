/** What has been received of a fleet: a bounded number of gateways, over all connections and passes. */

import { type Gateway, MOST_GATEWAYS } from '../../core/model/gateway.ts';
import type { Publish } from '../../system/mqtt-packets.ts';
import { readReport } from './report.ts';

/** The two topics of a gateway. */
export const KINDS = ['availability', 'state'] as const;
export type Kind = (typeof KINDS)[number];

/** In bytes; a topic of the watcher is shorter than this. */
const LONGEST_NAME = 512;

const ONLINE = 'online';
const OFFLINE = 'offline';

interface Kept {
  topic: string;
  isOnline: boolean | undefined;
  report: Gateway['report'];
  problem: string | undefined;
  /** the connection in which each kind was last received */
  readonly heardIn: Record<Kind, number>;
  /** the pass in which each kind was last received as retained */
  readonly passes: Record<Kind, number>;
}

export interface Pass {
  /** gateways, or parts of them, that no pass before it brought */
  readonly news: number;
  /** that an earlier pass of the same connection brought and this one did not: the broker has dropped messages */
  readonly missing: number;
}

export interface KeptGateways {
  /** A new connection begins. */
  beginConnection(): void;
  beginPass(kind: Kind): void;
  endPass(kind: Kind): Pass;
  /** Handles a message at one of the topics; returns the gateway if it is one and has changed. */
  take(message: Publish): string | undefined;
  /** Forgets what this connection has not brought. */
  settle(): void;
  /** Whether this connection has brought both kinds of each gateway. */
  isEachWhole(): boolean;
  /** Whether this connection has not brought this kind of that gateway, or of any. */
  lacks(kind: Kind, topic?: string): boolean;
  /** Topics of gateways of which this connection has not brought this kind. */
  without(kind: Kind): readonly string[];
  get(topic: string): Gateway | undefined;
  all(): Iterable<Gateway>;
  count(): number;
  /** more gateways than are kept, or some with endless names */
  isOverflowing(): boolean;
}

/** A bounded number of gateways by their topics. */
function createPlaces() {
  const kept = new Map<string, Kept>();
  let isOverflowing = false;
  return {
    kept,
    isOverflowing: () => isOverflowing,
    /** undefined: there is no room for it */
    place(topic: string): Kept | undefined {
      const before = kept.get(topic);
      if (before !== undefined) return before;
      if (kept.size >= MOST_GATEWAYS || topic.length > LONGEST_NAME) {
        isOverflowing = true;
        return undefined;
      }
      const fresh: Kept = {
        topic,
        isOnline: undefined,
        report: undefined,
        problem: undefined,
        heardIn: { availability: 0, state: 0 },
        passes: { availability: 0, state: 0 },
      };
      kept.set(topic, fresh);
      return fresh;
    },
    /** Returns whether there was something. */
    clear(topic: string, kind: Kind): boolean {
      const before = kept.get(topic);
      if (before === undefined) return false;
      before.heardIn[kind] = 0;
      if (kind === 'availability') before.isOnline = undefined;
      else Object.assign(before, { report: undefined, problem: undefined });
      if (KINDS.every((each) => before.heardIn[each] === 0)) kept.delete(topic);
      return true;
    },
  };
}

export function createKeptGateways(): KeptGateways {
  const { kept, place, clear, isOverflowing } = createPlaces();
  let connection = 0;
  let pass = 0;
  let news = 0;
  let heard = 0;

  function store(each: Kept, kind: Kind, payload: Buffer) {
    // a live message counts like a retained one: nobody needs the pass to bring it
    if (each.heardIn[kind] !== connection) news += 1;
    if (each.passes[kind] !== pass) heard += 1;
    each.passes[kind] = pass;
    each.heardIn[kind] = connection;
    if (kind === 'availability') {
      each.isOnline = availabilityOf(payload);
      return;
    }
    const read = readReport(payload);
    each.report = read.ok ? read.report : undefined;
    each.problem = read.ok ? undefined : read.problem;
  }

  const lacking = (kind: Kind) => (each: Kept) => each.heardIn[kind] !== connection;

  return {
    beginConnection() {
      connection += 1;
    },
    beginPass() {
      pass += 1;
      news = 0;
      heard = 0;
    },
    endPass(kind) {
      let known = 0;
      for (const { heardIn } of kept.values()) if (heardIn[kind] === connection) known += 1;
      return { news, missing: Math.max(0, known - heard) };
    },
    take({ topic: full, payload }) {
      const parts = partsOf(full);
      if (parts === undefined) return undefined;
      const { topic, kind } = parts;
      // this clears a retained message: the gateway is gone
      if (payload.length === 0) return clear(topic, kind) ? topic : undefined;
      const each = place(topic);
      if (each === undefined) return undefined;
      store(each, kind, payload);
      return topic;
    },
    settle() {
      for (const [topic, { heardIn }] of [...kept]) {
        for (const kind of KINDS) if (heardIn[kind] !== connection && heardIn[kind] !== 0) clear(topic, kind);
      }
    },
    isEachWhole: () => !KINDS.some((kind) => [...kept.values()].some(lacking(kind))),
    lacks(kind, topic) {
      if (topic === undefined) return [...kept.values()].some(lacking(kind));
      const each = kept.get(topic);
      return each !== undefined && lacking(kind)(each);
    },
    without: (kind) => [...kept.values()].filter(lacking(kind)).map(({ topic }) => topic),
    get: (topic) => kept.get(topic),
    all: () => kept.values(),
    count: () => kept.size,
    isOverflowing,
  };
}

function partsOf(full: string): { readonly topic: string; readonly kind: Kind } | undefined {
  for (const kind of KINDS) {
    if (full.endsWith(`/${kind}`)) return { topic: full.slice(0, -kind.length - 1), kind };
  }
  return undefined;
}

/** Anything else is no answer. */
function availabilityOf(payload: Buffer): boolean | undefined {
  const text = payload.length <= OFFLINE.length ? payload.toString('latin1') : '';
  return text === ONLINE ? true : text === OFFLINE ? false : undefined;
}
