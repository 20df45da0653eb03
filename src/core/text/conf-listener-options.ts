/** The options of a listener, as far as they are about its certificates and its address. */

import type { ConfPlace } from '../model/broker-conf.ts';
import { wordsOf } from './conf-lines.ts';
import {
  booleanFor,
  type Context,
  type Handler,
  type ListenerDraft,
  numberFor,
  Stop,
  textFor,
} from './conf-scope.ts';

/** The one that the line is about: the last one of this file, or the default one. */
export function listenerOf(context: Context): ListenerDraft {
  const { scope } = context;
  // 2.1 makes the default one where it is needed, and goes on with it
  scope.listener ??= defaultListener(context);
  return scope.listener;
}

function defaultListener({ reading, at }: Context): ListenerDraft {
  if (reading.defaultListener === undefined) {
    reading.defaultListener = newListener(at, 1883);
    if (reading.dialect === '2.1') reading.listeners.push(reading.defaultListener);
  }
  return reading.defaultListener;
}

function newListener(at: ConfPlace, port: number, host?: string): ListenerDraft {
  return {
    at,
    port,
    host,
    certfile: undefined,
    keyfile: undefined,
    cafile: undefined,
    capath: undefined,
    crlfile: undefined,
    tlsVersion: undefined,
    engine: undefined,
    requiresCertificate: false,
    usesSharedKey: false,
  };
}

/** A path of a listener: 2.0 takes it once, of 2.1 the last one counts. */
function listenerText(key: 'certfile' | 'keyfile' | 'cafile' | 'capath' | 'crlfile'): Handler {
  return (context) => {
    const listener = namedListener(context, key === 'cafile');
    if (listener.usesSharedKey && (key === 'cafile' || key === 'certfile'))
      throw new Stop(context.at, 'has certificates and a shared key for one listener');
    listener[key] = textFor(context, context.reading.dialect === '2.1' ? undefined : listener[key]);
  };
}

/** 2.1 has no default listener for some options. */
export function namedListener(context: Context, isStrict: boolean): ListenerDraft {
  const { reading, scope, line, at } = context;
  if (isStrict && reading.dialect === '2.1' && scope.listener === undefined)
    throw new Stop(at, `has ${line.option} before any listener`);
  return listenerOf(context);
}

function listener(context: Context): void {
  const { reading, scope, line, at } = context;
  const [, second] = wordsOf(line.rest);
  const port = numberFor(context);
  const host = second?.startsWith('#') === true ? undefined : second;
  if (port < 0 || port > 65_535) throw new Stop(at, `has the port ${port}`);
  if (port === 0 && host === undefined) throw new Stop(at, 'has a listener on port 0 without a path');
  reading.isLocalOnly = false;
  scope.listener = newListener(at, port, host);
  reading.listeners.push(scope.listener);
}

/** Of 2.1, what follows is about the default listener; of 2.0, still about the one before. */
function ofDefault(change: (listener: ListenerDraft, context: Context) => void): Handler {
  return (context) => {
    const made = defaultListener(context);
    context.reading.isLocalOnly = false;
    if (context.reading.dialect === '2.1') context.scope.listener = made;
    change(made, context);
  };
}

/** By name. */
export const LISTENER_OPTIONS: readonly (readonly [string, Handler])[] = [
  ['listener', listener],
  [
    'port',
    ofDefault((made, context) => {
      const port = numberFor(context);
      if (port < 1 || port > 65_535) throw new Stop(context.at, `has the port ${port}`);
      made.port = port;
    }),
  ],
  [
    'bind_address',
    ofDefault((made, context) => {
      made.host = textFor(context, made.host);
    }),
  ],
  ['certfile', listenerText('certfile')],
  ['keyfile', listenerText('keyfile')],
  ['cafile', listenerText('cafile')],
  ['capath', listenerText('capath')],
  ['crlfile', listenerText('crlfile')],
  [
    'tls_version',
    (context) => {
      const made = namedListener(context, true);
      made.tlsVersion = textFor(context, made.tlsVersion);
    },
  ],
  [
    'tls_engine',
    (context) => {
      const made = listenerOf(context);
      made.engine = textFor(context, made.engine);
    },
  ],
  [
    'require_certificate',
    (context) => {
      listenerOf(context).requiresCertificate = booleanFor(context);
    },
  ],
  [
    'psk_hint',
    (context) => {
      textFor(context, listenerOf(context).usesSharedKey ? 'one' : undefined);
      listenerOf(context).usesSharedKey = true;
    },
  ],
];
