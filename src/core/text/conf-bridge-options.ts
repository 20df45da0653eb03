/** The options of a bridge, as far as they are about its certificates and its upstream. */

import { atoi, wordsOf } from './conf-lines.ts';
import {
  type BridgeDraft,
  booleanFor,
  type Context,
  type Handler,
  Stop,
  sinceDialect,
  textFor,
  wordFor,
} from './conf-scope.ts';

export function bridgeOf({ scope, line, at }: Context): BridgeDraft {
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
    // of 2.1 the last key counts
    const isLast = key === 'keyfile' && context.reading.dialect === '2.1';
    bridge[key] = textFor(context, isLast ? undefined : bridge[key]);
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
  const { at } = context;
  const bridge = bridgeOf(context);
  const { pattern, others } = patternOf(context);
  const [direction, qos, ...prefixes] = others;
  if (direction !== undefined && !/^(?:out|in|both)$/i.test(direction))
    throw new Stop(at, `has the topic direction ${direction}`);
  const level = qos === undefined ? 0 : atoi(qos) & 0xff;
  if (level > 2) throw new Stop(at, `has the topic QoS ${qos}`);
  const [local, remote] = qos?.startsWith('#') ? [] : prefixes.slice(0, 2).map(prefixIn);
  const wild = [local, remote].find((prefix) => prefix !== undefined && /[+#]/.test(prefix));
  if (wild !== undefined) throw new Stop(at, `has the topic prefix ${wild}, with a wildcard`);
  if (pattern === '""' && (local === undefined || remote === undefined))
    throw new Stop(at, 'has a topic without a pattern and without both prefixes');
  bridge.topics += 1;
}

/** 2.1 takes a pattern with blanks in quotes. */
function patternOf(context: Context): { pattern: string; others: readonly string[] } {
  const { reading, line, at } = context;
  const [pattern = wordFor(context), ...others] = wordsOf(line.rest);
  if (reading.dialect !== '2.1' || !/^"[^"]/.test(pattern)) return { pattern, others };
  const [, rest = ''] = /^ *[^ ]+ (.*)$/s.exec(line.rest ?? '') ?? [];
  const [, inner, after] = /^"*([^"]+)"(.*)$/s.exec(rest) ?? [];
  if (after === undefined) throw new Stop(at, `has the topic ${pattern} without its closing quote`);
  return { pattern: `${pattern.slice(1)} ${inner}`, others: wordsOf(after) };
}

/** Undefined: none. */
function prefixIn(word: string): string | undefined {
  return word === '""' || word.startsWith('#') ? undefined : word;
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
  ['bridge_tls_use_os_certs', sinceDialect('2.1', bridgeFlag('usesSystemAuthorities'))],
  ['notifications', bridgeFlag('notifications')],
  ['notifications_local_only', bridgeFlag('notificationsLocalOnly')],
  [
    'bridge_reload_type',
    sinceDialect('2.1', (context) => {
      const bridge = bridgeOf(context);
      const word = wordFor(context);
      if (word !== 'lazy' && word !== 'immediate')
        throw new Stop(context.at, 'has bridge_reload_type without lazy or immediate');
      bridge.reloadsAtOnce = word === 'immediate';
    }),
  ],
  [
    'start_type',
    (context) => {
      const bridge = bridgeOf(context);
      const word = wordFor(context);
      if (!['automatic', 'lazy', 'once'].includes(word))
        throw new Stop(context.at, `has start_type ${word}, not automatic, lazy or once`);
      bridge.startType = word;
    },
  ],
];
