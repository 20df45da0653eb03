/** The options of a bridge, as far as they are about its certificates and its upstream. */

import { atoi, wordsOf } from './conf-lines.ts';
import { type BridgeDraft, booleanFor, type Context, type Handler, Stop, textFor } from './conf-scope.ts';

function bridgeOf({ scope, line, at }: Context): BridgeDraft {
  if (scope.bridge === undefined) throw new Stop(at, `has ${line.option} before any connection`);
  return scope.bridge;
}

type TextOf<T> = { [K in keyof T]-?: T[K] extends string | undefined ? K : never }[keyof T];

/** A text of a bridge, which both versions take once. */
function bridgeText(key: Exclude<TextOf<BridgeDraft>, 'name' | 'startType'>): Handler {
  return (context) => {
    const bridge = bridgeOf(context);
    bridge[key] = textFor(context, bridge[key]);
  };
}

/** A certificate and a shared key do not go together. */
function bridgeFile(key: 'cafile' | 'capath' | 'certfile' | 'keyfile'): Handler {
  return (context) => {
    const bridge = bridgeOf(context);
    if (bridge.identity !== undefined || bridge.psk !== undefined)
      throw new Stop(context.at, 'has certificates and a shared key for one bridge');
    bridge[key] = textFor(context, bridge[key]);
  };
}

function bridgeSecret(key: 'identity' | 'psk'): Handler {
  return (context) => {
    const bridge = bridgeOf(context);
    if ([bridge.cafile, bridge.capath, bridge.certfile, bridge.keyfile].some((file) => file !== undefined))
      throw new Stop(context.at, 'has certificates and a shared key for one bridge');
    bridge[key] = textFor(context, bridge[key]);
    bridge.usesSharedKey = true;
  };
}

function bridgeFlag(
  key: 'insecure' | 'usesSystemAuthorities' | 'notifications' | 'notificationsLocalOnly',
): Handler {
  return (context) => {
    bridgeOf(context)[key] = booleanFor(context);
  };
}

function address(context: Context): void {
  const { line, at } = context;
  const bridge = bridgeOf(context);
  if (bridge.addresses.length > 0) throw new Stop(at, 'has a second address line for one connection');
  const words = wordsOf(line.rest);
  const end = words.findIndex((word) => word.startsWith('#'));
  const given = end < 0 ? words : words.slice(0, end);
  bridge.addresses = given.map((word) => {
    const colon = word.lastIndexOf(':');
    if (colon < 0) return { host: word, port: 1883 };
    const port = atoi(word.slice(colon + 1));
    if (port < 1 || port > 65_535) throw new Stop(at, `has ${word}, which has no port after its last colon`);
    return { host: word.slice(0, colon), port };
  });
  if (given.length === 0) throw new Stop(at, 'has an address line without an address');
}

function connection({ reading, scope, line, at }: Context): void {
  const [name] = wordsOf(line.rest);
  if (name === undefined) throw new Stop(at, 'has a connection without a name');
  if (reading.bridges.some((bridge) => bridge.name === name))
    throw new Stop(at, `repeats connection ${name}`);
  scope.bridge = {
    name,
    at,
    addresses: [],
    cafile: undefined,
    capath: undefined,
    certfile: undefined,
    keyfile: undefined,
    alpn: undefined,
    tlsVersion: undefined,
    insecure: false,
    usesSystemAuthorities: false,
    usesSharedKey: false,
    notifications: true,
    notificationsLocalOnly: false,
    reloadsAtOnce: false,
    remoteClientId: undefined,
    startType: 'automatic',
    topics: 0,
  };
  reading.bridges.push(scope.bridge);
}

function topic(context: Context): void {
  const { line, at } = context;
  const bridge = bridgeOf(context);
  const [pattern, direction, qos] = wordsOf(line.rest);
  if (pattern === undefined) throw new Stop(at, 'has a topic without a pattern');
  if (direction !== undefined && !/^(?:out|in|both)$/i.test(direction))
    throw new Stop(at, `has the topic direction ${direction}`);
  const level = qos === undefined ? 0 : atoi(qos) & 0xff;
  if (level > 2) throw new Stop(at, `has the topic QoS ${qos}`);
  bridge.topics += 1;
}

/** By name. */
export const BRIDGE_OPTIONS: readonly (readonly [string, Handler])[] = [
  ['address', address],
  ['addresses', address],
  ['connection', connection],
  ['topic', topic],
  ['bridge_cafile', bridgeFile('cafile')],
  ['bridge_capath', bridgeFile('capath')],
  ['bridge_certfile', bridgeFile('certfile')],
  ['bridge_keyfile', bridgeFile('keyfile')],
  ['bridge_identity', bridgeSecret('identity')],
  ['bridge_psk', bridgeSecret('psk')],
  ['bridge_alpn', bridgeText('alpn')],
  ['bridge_tls_version', bridgeText('tlsVersion')],
  ['clientid', bridgeText('remoteClientId')],
  ['remote_clientid', bridgeText('remoteClientId')],
  ['bridge_insecure', bridgeFlag('insecure')],
  ['bridge_tls_use_os_certs', bridgeFlag('usesSystemAuthorities')],
  ['notifications', bridgeFlag('notifications')],
  ['notifications_local_only', bridgeFlag('notificationsLocalOnly')],
  [
    'bridge_reload_type',
    (context) => {
      const [word] = wordsOf(context.line.rest);
      if (word !== 'lazy' && word !== 'immediate')
        throw new Stop(context.at, 'has bridge_reload_type without lazy or immediate');
      bridgeOf(context).reloadsAtOnce = word === 'immediate';
    },
  ],
  [
    'start_type',
    (context) => {
      const [word] = wordsOf(context.line.rest);
      if (word === undefined) throw new Stop(context.at, 'has start_type without a value');
      bridgeOf(context).startType = word;
    },
  ],
];
