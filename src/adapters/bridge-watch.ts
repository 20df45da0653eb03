/**
 * Watches the bridges of a broker as an MQTT client of its own. Mosquitto tells of each bridge in the retained topic
 * `$SYS/broker/connection/{name}/state`: `1` when it connects, `0` when it loses the connection and when the broker
 * starts (mosquitto(8), "Broker status"; not with `notifications false`). The name is `remote_clientid`, or else
 * `{hostname}.{connection}`. A SIGHUP to Mosquitto 2.0 moves no bridge, so it publishes nothing then.
 */

import { randomBytes } from 'node:crypto';
import type { IClientOptions, MqttClient } from 'mqtt';
import type { Bridge, BridgeSight } from '../core/bridge.ts';
import type { BrokerUrl } from '../core/settings.ts';
import { endpoint } from '../system/endpoint.ts';
import { errorLine } from '../system/openssl-error.ts';
import { readRegularFile } from '../system/regular-file.ts';

export interface BridgeWatchOptions {
  readonly url: BrokerUrl;
  /** one line, `user:password`; read anew for each connection */
  readonly credentialsFile: string | undefined;
  /** PEM; read anew for each connection */
  readonly caFile: string;
  /** the one bridge that counts; undefined: every one */
  readonly bridgeName: string | undefined;
  /** told whenever {@link BridgeWatch.sight} may have changed */
  readonly onChange: () => void;
}

export interface BridgeWatch {
  /** What the broker says now. */
  sight(): BridgeSight;
  /** Logs out. Nothing is left behind. */
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const KEEPALIVE_S = 15;
/** The pause before the next attempt, doubled each time. */
const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** A broker has told all that it retains within this time. */
const RETAINED_MS = 300;

/** SUBACK's "no", MQTT 3.1.1, 3.9.3 */
const SUBSCRIPTION_REFUSED = 0x80;

/** Begins to watch at once, and goes on until it is closed, reconnecting by itself. */
export function createBridgeWatch(options: BridgeWatchOptions): BridgeWatch {
  const { url, bridgeName, onChange } = options;
  const topic = `$SYS/broker/connection/${bridgeName ?? '+'}/state`;
  const where = addressOf(url);
  let isClosed = false;
  let pauseMs = SHORTEST_PAUSE_MS;
  let client: MqttClient | undefined;
  let timer: NodeJS.Timeout | undefined;
  let current: BridgeSight = failure(`${where} has not answered yet`, 'wait a moment');
  /** of bridges that have been heard of, for as long as we live */
  const connects = new Map<string, number>();

  function become(sight: BridgeSight) {
    if (isClosed) return;
    current = sight;
    onChange();
  }

  function tryAgain(sight: BridgeSight) {
    if (isClosed) return;
    become(sight);
    clearTimeout(timer);
    timer = setTimeout(() => void logIn(), pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }

  async function logIn() {
    const login = await readLogin(options);
    if (isClosed) return;
    if (!login.ok) return tryAgain(login.sight);
    const connect = await loadClient();
    if (isClosed) return;
    const attempt = connect(clientOptions(url, login));
    client = attempt;
    let reason: BridgeSight | undefined;
    let settling: NodeJS.Timeout | undefined;
    let hasSettled = false;
    const bridges = new Map<string, Bridge>();
    const publish = () => become({ ok: true, bridges: [...bridges.values()].toSorted(byName) });
    attempt.on('error', (error) => {
      reason = failure(...explain(error, where, options));
      attempt.end(true);
    });
    attempt.on('connect', () => {
      attempt.subscribe(topic, { qos: 0 }, (error, grants) => {
        if (error === null && grants?.every(({ qos }) => qos !== SUBSCRIPTION_REFUSED)) {
          pauseMs = SHORTEST_PAUSE_MS;
          settling = setTimeout(() => {
            hasSettled = true;
            publish();
          }, RETAINED_MS);
          return;
        }
        reason = failure(
          `${where} does not let us read ${topic}`,
          'let the user of BROKER_CREDENTIALS_FILE read $SYS/# (topic read $SYS/# in the acl_file)',
        );
        attempt.end(true);
      });
    });
    attempt.on('message', (heard, payload, { retain }) => {
      const connection = nameIn(heard);
      if (connection === undefined) return;
      const up = payload.toString() === '1';
      if (up && !retain) connects.set(connection, (connects.get(connection) ?? 0) + 1);
      bridges.set(connection, { connection, up, connects: connects.get(connection) ?? 0 });
      if (hasSettled || !retain) publish();
    });
    attempt.on('close', () => {
      clearTimeout(settling);
      if (client !== attempt) return;
      client = undefined;
      attempt.end(true);
      tryAgain(reason ?? failure(`${where} has closed the connection`, 'see the log of the broker'));
    });
  }

  void logIn();
  return {
    sight: () => current,
    async close() {
      isClosed = true;
      clearTimeout(timer);
      const last = client;
      client = undefined;
      await last?.endAsync(true);
    },
  };
}

/** Loaded only where somebody listens: a gateway has little memory. */
async function loadClient() {
  const [{ connect }, { writeToStream }] = await Promise.all([import('mqtt'), import('mqtt-packet')]);
  // else the first packet makes a buffer for each number up to 65,535, and keeps them: ten megabytes
  writeToStream.cacheNumbers = false;
  return connect;
}

function clientOptions(
  { tls, host, port }: BrokerUrl,
  { credentials, ca }: Extract<Login, { ok: true }>,
): IClientOptions {
  return {
    protocol: tls ? 'mqtts' : 'mqtt',
    host,
    port,
    // 3.1.1: what every broker speaks
    protocolVersion: 4,
    clean: true,
    clientId: `mosquitto-cert-watcher-bridge-${randomBytes(6).toString('hex')}`,
    keepalive: KEEPALIVE_S,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // each attempt reads its files anew, so this client makes one only
    reconnectPeriod: 0,
    resubscribe: false,
    ...credentials,
    ...(ca && { ca }),
  };
}

function byName(a: Bridge, b: Bridge): number {
  return a.connection < b.connection ? -1 : 1;
}

function nameIn(topic: string): string | undefined {
  return /^\$SYS\/broker\/connection\/([^/]+)\/state$/.exec(topic)?.[1];
}

/** `mqtts://broker:8883`, without anything secret. */
function addressOf({ tls, host, port }: BrokerUrl): string {
  return `${tls ? 'mqtts' : 'mqtt'}://${endpoint(host, port)}`;
}

function failure(problem: string, hint: string): BridgeSight & { ok: false } {
  return { ok: false, problem, hint };
}

type Login =
  | {
      readonly ok: true;
      readonly credentials: { readonly username?: string; readonly password?: string };
      readonly ca: Buffer | undefined;
    }
  | { readonly ok: false; readonly sight: BridgeSight };

async function readLogin({ url, caFile, credentialsFile }: BridgeWatchOptions): Promise<Login> {
  const ca = url.tls ? await readRegularFile(caFile) : undefined;
  if (ca?.ok === false) {
    const hint = 'set BROKER_CA_FILE to the CA certificates that the broker is verified with';
    return { ok: false, sight: failure(`${caFile} ${ca.problem}`, hint) };
  }
  if (credentialsFile === undefined) return { ok: true, credentials: {}, ca: ca?.bytes };
  const file = await readRegularFile(credentialsFile);
  const hint = `put one line with user:password into ${credentialsFile}`;
  if (!file.ok) return { ok: false, sight: failure(`${credentialsFile} ${file.problem}`, hint) };
  const [, username, password] = /^([^:\r\n]+):([^\r\n]*)\r?\n?$/.exec(file.bytes.toString('utf8')) ?? [];
  if (username === undefined || password === undefined) {
    return { ok: false, sight: failure(`${credentialsFile} is not one line with user:password`, hint) };
  }
  return { ok: true, credentials: { username, password }, ca: ca?.bytes };
}

/** CONNACK's return codes, MQTT 3.1.1, table 3.1. */
const LOGIN_REFUSED = new Set([4, 5]);

function explain(error: Error, where: string, { credentialsFile }: BridgeWatchOptions): [string, string] {
  const code = 'code' in error ? error.code : undefined;
  if (typeof code === 'number' && LOGIN_REFUSED.has(code)) {
    const hint =
      credentialsFile === undefined
        ? 'give a user in BROKER_CREDENTIALS_FILE, or allow anonymous clients at this listener'
        : `check user and password in ${credentialsFile}`;
    return [`${where} refuses the login`, hint];
  }
  const what = errorLine(error);
  if (/certificate|altname|self.signed|cert_/i.test(what)) {
    const hint = 'is BROKER_CA_FILE the CA of the listener, and its certificate for the host in BROKER_URL?';
    return [`${where} cannot be trusted: ${what}`, hint];
  }
  return [`${where} cannot be reached: ${what}`, 'check BROKER_URL, and that the broker listens there'];
}
