/**
 * Watches the bridges of a broker as a separate MQTT client. Mosquitto reports each bridge in the retained topic
 * `$SYS/broker/connection/{name}/state`: `1` when it connects, `0` when it loses the connection and when the broker
 * starts (mosquitto(8), "Broker status"; not with `notifications false`). The name is `remote_clientid`, or else
 * `{hostname}.{connection}`. In Mosquitto 2.0 a SIGHUP affects no bridge, so nothing is published then.
 */

import { type BridgeSight, LONGEST_BRIDGE_NAME } from '../../core/model/bridge.ts';
import type { BrokerUrl } from '../../core/model/settings.ts';
import { hostPort } from '../../core/text/address.ts';
import type { Connection } from '../../system/mqtt/connection.ts';
import type { Publish } from '../../system/mqtt-packets.ts';
import { startTimer } from '../../system/timer.ts';
import { createAttempts } from './attempts.ts';
import { createKeptBridges, type KeptBridges } from './kept-bridges.ts';
import { type LoginFiles, readLogin } from './login.ts';
import { createSettling } from './settling.ts';
import { explain, failure, type ListenerEnd, type Trouble } from './trouble.ts';
import type { Voice } from './voice.ts';

export interface BridgeListenerOptions extends LoginFiles {
  /** the one bridge that counts; undefined: every one */
  readonly bridgeName: string | undefined;
  /** publishes through the same connection; undefined: nothing is published */
  readonly voice?: Voice | undefined;
}

export interface BridgeClient {
  /** Connects, and stays connected until it is closed, reconnecting automatically; to be called once. */
  open(onChange: () => void): void;
  /** What the broker currently reports. `onChange` is called whenever it may have changed. */
  sight(): BridgeSight;
  /** The broker is about to go, or to come back: for this time, attempts follow each other without long pauses. */
  expectReturn(forMs: number): void;
  /** Logs out and releases everything. */
  close(): Promise<void>;
}

/** A change is passed on at once, and the next one after this time at the earliest. */
const BETWEEN_CHANGES_MS = 1_000;

const PREFIX = '$SYS/broker/connection/';
const SUFFIX = '/state';
/** The topic, and a payload of one byte; anything longer is skipped without being stored. */
const LONGEST_PACKET = 2 + PREFIX.length + LONGEST_BRIDGE_NAME + SUFFIX.length + 32;

const SUBSCRIPTION = 1;
const CLIENT = { client: 'mosquitto-cert-watcher-bridge', isPaced: true } as const;

/** A client of the listener, not connected until it is opened. */
export function createBridgeListener(options: BridgeListenerOptions): BridgeClient {
  const { url, bridgeName, credentialsFile, voice } = options;
  const topic = `${PREFIX}${bridgeName ?? '+'}${SUFFIX}`;
  const where = addressOf(url);
  let onChange: () => void = () => undefined;
  const changes = coalesced(() => onChange(), BETWEEN_CHANGES_MS);
  const kept = createKeptBridges();
  const attempts = createAttempts(() => void logIn());
  let isClosed = false;
  let connection: Connection | undefined;
  let trouble: Trouble | undefined = failure(`${where} has not answered yet`, 'wait a moment');

  function become(problem: Trouble | undefined) {
    if (isClosed) return;
    trouble = problem;
    changes.hint();
  }

  function tryAgain(problem: Trouble, listenedForMs = 0) {
    if (isClosed) return;
    become(problem);
    attempts.again(listenedForMs);
  }

  async function logIn() {
    const login = await readLogin(options);
    if (isClosed) return;
    if (!login.ok) return tryAgain(login.problem);
    // loaded only if it is needed: a gateway has little memory
    const { openConnection } = await import('../../system/mqtt/connection.ts');
    if (isClosed) return;
    const listening = listen({
      topic,
      bridgeName,
      kept,
      voice,
      isBehind: () => connection?.isBehind() === true,
      onHeardAll: () => become(undefined),
      onNews: changes.hint,
      onEnd(why, listenedForMs) {
        connection = undefined;
        tryAgain(explain(why, { where, topic, credentialsFile }), listenedForMs);
      },
    });
    connection = openConnection({ url, ...CLIENT, connectMs: attempts.connectMs(), ...login, ...listening });
  }

  return {
    open(hint) {
      onChange = hint;
      void logIn();
    },
    sight: () => trouble ?? kept.sight(),
    expectReturn: attempts.expect,
    async close() {
      isClosed = true;
      attempts.stop();
      changes.close();
      await connection?.close(voice?.farewell);
    },
  };
}

interface Listening {
  readonly topic: string;
  readonly bridgeName: string | undefined;
  readonly kept: KeptBridges;
  readonly voice: Voice | undefined;
  readonly isBehind: () => boolean;
  /** the broker has sent all that it retains about bridges */
  readonly onHeardAll: () => void;
  /** something has changed since then */
  readonly onNews: () => void;
  readonly onEnd: (why: ListenerEnd, listenedForMs: number) => void;
}

/** How one connection handles what it receives. */
function listen({ topic, bridgeName, kept, voice, isBehind, onHeardAll, onNews, onEnd }: Listening) {
  kept.begin();
  let opened: Connection | undefined;
  const settling = createSettling(isBehind, () => {
    kept.settle();
    onHeardAll();
  });
  const hear = (isNews: boolean, isRetained: boolean) => {
    if (!settling.hasSettled()) {
      if (isRetained) settling.heard();
    } else if (isNews) onNews();
  };
  const end = (why: ListenerEnd) => {
    settling.stop();
    voice?.end();
    onEnd(why, settling.subscribedForMs() ?? 0);
  };
  return {
    will: voice?.farewell,
    longestPacket: Math.max(LONGEST_PACKET, voice?.longestPacket ?? 0),
    onLoggedIn(connection: Connection) {
      opened = connection;
      connection.subscribe(SUBSCRIPTION, [topic]);
    },
    onSubscribed(id: number, [isGranted]: readonly boolean[]) {
      // whether our own topics can be read is found out by reading them
      if (id !== SUBSCRIPTION || opened === undefined) return;
      if (isGranted !== true) {
        void opened.close();
        return end({ kind: 'subscription_refused' });
      }
      settling.begin();
      voice?.begin(opened);
    },
    onPublished: voice?.published,
    onMessage(message: Publish) {
      if (voice?.take(message) === true) return;
      const { topic: heard, payload, retained } = message;
      const name = nameIn(heard);
      if (name === undefined || (bridgeName !== undefined && name !== bridgeName)) return;
      hear(kept.take(name, payload, retained), retained);
    },
    onSkipped: () => hear(kept.skip(), true),
    onEnd: end,
  };
}

/** Calls `act` at the first hint immediately, and at later hints no sooner than `betweenMs` after the last call. */
function coalesced(act: () => void, betweenMs: number): { hint(): void; close(): void } {
  let isHinted = false;
  let resting: NodeJS.Timeout | undefined;
  function hint() {
    isHinted = true;
    if (resting !== undefined) return;
    isHinted = false;
    resting = startTimer(() => {
      resting = undefined;
      if (isHinted) hint();
    }, betweenMs);
    act();
  }
  return { hint, close: () => clearTimeout(resting) };
}

function nameIn(topic: string): string | undefined {
  if (!topic.startsWith(PREFIX) || !topic.endsWith(SUFFIX)) return undefined;
  const name = topic.slice(PREFIX.length, -SUFFIX.length);
  return name === '' || name.includes('/') ? undefined : name;
}

/** `mqtts://broker:8883`, without anything secret. */
function addressOf(url: BrokerUrl): string {
  return `${url.tls ? 'mqtts' : 'mqtt'}://${hostPort(url)}`;
}
