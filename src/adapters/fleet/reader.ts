/**
 * Reads a fleet from a broker: everything that gateways have retained, completely as far as that can be known, and then
 * what changes.
 *
 * A broker drops what a client does not take fast enough: Mosquitto silently drops retained messages of a subscription
 * with a wildcard once 1,000 of them wait (`max_queued_messages`), also at QoS 0. So the short messages, which say what
 * gateways there are, are read first, again until a pass brings nothing new and lacks nothing; and the long ones that did
 * not come are asked for by their names.
 */

import type { BrokerUrl } from '../../core/model/settings.ts';
import { monotonicMs } from '../../system/monotonic.ts';
import { type Connection, type ConnectionEnd, openConnection } from '../../system/mqtt/connection.ts';
import type { Publish } from '../../system/mqtt-packets.ts';
import { startTimer } from '../../system/timer.ts';
import type { KeptGateways, Kind } from './kept-gateways.ts';

export interface FleetOptions {
  readonly url: BrokerUrl;
  /** STATUS_TOPIC of all gateways, with `+` for levels that differ */
  readonly topic: string;
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  /** PEM; undefined: the public authorities */
  readonly ca: Buffer | undefined;
  readonly identity: { readonly cert: Buffer; readonly key: Buffer } | undefined;
}

export type FleetEnd = ConnectionEnd | { readonly kind: 'subscription_refused' };

/** How completely a fleet has been read. */
export interface Reading {
  readonly isComplete: boolean;
  /** messages that are too long to be a state */
  readonly skipped: number;
}

export interface FleetReader {
  /** Resolves when everything has been read, or when the connection has ended before. */
  read(): Promise<
    { readonly ok: true; readonly reading: Reading } | { readonly ok: false; readonly end: FleetEnd }
  >;
  /** Resolves when the connection has ended after {@link read}. */
  ended(): Promise<FleetEnd>;
  close(): Promise<void>;
}

/** Longer messages are no states: they are skipped without being stored. */
const LONGEST_PACKET = 256 * 1_024;

/** A pass is over when the broker has answered a ping after it and then been quiet for this long. */
const QUIET_MS = 150;
/** The same for one that has brought nothing, while nothing is known: a broker may look for what it retains beside. */
const QUIET_FIRST_MS = 1_000;
const LONGEST_PASS_MS = 60_000;
const ASK_AGAIN_MS = 250;

/** A broker that still drops messages then will not stop doing so. */
const MOST_PASSES = 8;

/** Topics that are asked for at once by their names: fewer than a broker queues, and again fewer of what still lacks. */
const AT_ONCE = [400, 50];
const LONGEST_ASKING_MS = 30_000;

/** Connects, and keeps what it receives in `kept`, which may have been filled by connections before. */
export function createFleetReader(
  options: FleetOptions,
  kept: KeptGateways,
  onChange: (topic: string) => void = () => undefined,
): FleetReader {
  const line = openLine(options, kept, onChange);

  async function pass(kind: Kind) {
    kept.beginPass(kind);
    await line.subscribe([`${options.topic}/${kind}`]);
    return kept.endPass(kind);
  }

  /** Repeats the pass until one brings nothing new and lacks nothing; returns whether one did. */
  async function repeat(kind: Kind): Promise<boolean> {
    for (let passes = 0; passes < MOST_PASSES && line.end() === undefined; passes += 1) {
      const { news, missing } = await pass(kind);
      if (news === 0 && missing === 0) return true;
    }
    return false;
  }

  /** Returns whether the picture is whole. */
  async function readAll(): Promise<boolean> {
    await pass('availability');
    const { missing } = await pass('state');
    // the two messages of a gateway differ so much in length that a broker does not drop those of the same gateways
    if (missing === 0 && kept.isEachWhole()) return true;
    const isWhole = (await repeat('availability')) && (await askByName());
    if (!kept.lacks('availability')) return isWhole;
    return (await repeat('state')) && isWhole;
  }

  /** Asks for states that have not come with all the others; returns whether there was time to ask for all of them. */
  async function askByName(): Promise<boolean> {
    const untilMs = monotonicMs() + LONGEST_ASKING_MS;
    for (const atOnce of AT_ONCE) {
      const topics = kept.without('state').filter((topic) => !/[+#]/.test(topic));
      for (let at = 0; at < topics.length && line.end() === undefined; at += atOnce) {
        if (monotonicMs() > untilMs) return false;
        const some = topics.slice(at, at + atOnce);
        const isHere = () => !some.some((topic) => kept.lacks('state', topic));
        const asked = some.map((topic) => `${topic}/state`);
        await line.askFor(asked, isHere);
      }
    }
    return true;
  }

  return {
    async read() {
      await line.loggedIn;
      const isWhole = await readAll();
      const end = line.end();
      if (end !== undefined) return { ok: false, end };
      kept.settle();
      return { ok: true, reading: { isComplete: isWhole, skipped: line.skipped() } };
    },
    ended: () => line.ended,
    close: line.close,
  };
}

/** One connection, with one subscription after the other. */
function openLine(options: FleetOptions, kept: KeptGateways, onChange: (topic: string) => void) {
  const login = defer<void>();
  const ending = defer<FleetEnd>();
  let over: FleetEnd | undefined;
  let skipped = 0;
  let lastId = 0;
  /** pings that are not answered yet: an answer that comes late is none to the next step */
  let unanswered = 0;
  const ping = () => {
    unanswered += 1;
    connection.ping();
  };
  let step = createStep(() => undefined, 0);

  function end(why: FleetEnd) {
    if (over !== undefined) return;
    over = why;
    step.finish();
    login.resolve();
    ending.resolve(why);
  }

  function nextId(): number {
    lastId = (lastId % 0xffff) + 1;
    return lastId;
  }

  kept.beginConnection();
  const connection: Connection = openConnection({
    ...options,
    client: 'mosquitto-cert-watcher-fleet',
    longestPacket: LONGEST_PACKET,
    isPaced: false,
    onLoggedIn: () => login.resolve(),
    onMessage(message: Publish) {
      const changed = kept.take(message);
      step.heard();
      if (changed !== undefined) onChange(changed);
    },
    onSkipped() {
      skipped += 1;
      step.heard();
    },
    onSubscribed(_id, granted) {
      if (!granted.includes(false)) return;
      void connection.close();
      end({ kind: 'subscription_refused' });
    },
    onPong() {
      unanswered -= 1;
      step.answered();
    },
    onEnd: end,
  });

  return {
    loggedIn: login.promise,
    ended: ending.promise,
    end: () => over,
    skipped: () => skipped,
    close: () => connection.close(),
    /** Subscribes, and waits until the broker has sent what it retains there. */
    async subscribe(topics: readonly string[]): Promise<void> {
      if (over !== undefined) return;
      step = createStep(ping, unanswered);
      connection.subscribe(nextId(), topics);
      await step.done(() => (kept.count() === 0 ? QUIET_FIRST_MS : QUIET_MS));
    },
    /** The same for topics that are not listened to after that; over at once when `isHere`. */
    async askFor(topics: readonly string[], isHere: () => boolean): Promise<void> {
      if (over !== undefined) return;
      step = createStep(ping, unanswered, { messages: topics.length, isHere });
      connection.subscribe(nextId(), topics);
      await step.done(() => QUIET_MS);
      connection.unsubscribe(nextId(), topics);
    },
  };
}

function defer<T>() {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}

const NOTHING_AWAITED = { messages: Number.POSITIVE_INFINITY, isHere: () => false };

/**
 * One subscription, until everything that is retained has arrived. A broker that drops messages drops its answer to a
 * ping too: then it is asked once more when it is quiet.
 */
function createStep(ping: () => void, unanswered: number, awaited = NOTHING_AWAITED) {
  let timer: NodeJS.Timeout | undefined;
  let isAnswered = false;
  let late = unanswered;
  let messages = 0;
  let quietMs = () => QUIET_MS;
  let longest: NodeJS.Timeout | undefined;
  const whole = defer<void>();

  function finish() {
    clearTimeout(timer);
    clearTimeout(longest);
    whole.resolve();
  }

  function ask() {
    ping();
    timer = startTimer(() => {
      // what has not come by now was dropped
      late = 0;
      ask();
    }, ASK_AGAIN_MS);
  }

  return {
    finish,
    heard() {
      messages += 1;
      if (messages >= awaited.messages && awaited.isHere()) finish();
      else timer?.refresh();
    },
    answered() {
      late -= 1;
      if (isAnswered || late >= 0) return;
      isAnswered = true;
      clearTimeout(timer);
      timer = startTimer(finish, quietMs());
    },
    async done(afterQuietMs: () => number): Promise<void> {
      quietMs = afterQuietMs;
      longest = startTimer(finish, LONGEST_PASS_MS);
      ask();
      await whole.promise;
    },
  };
}
