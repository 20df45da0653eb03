/**
 * Reads a `mosquitto.conf` as Mosquitto does (src/conf.c of 2.0.11, 2.0.21 and 2.1.2): what it says of certificates,
 * listeners and bridges, and where the broker would stop. Options that none of these versions knows are passed over.
 */

import {
  type BrokerConf,
  type ConfBridge,
  type ConfPlace,
  type ConfReading,
  speaksTls,
} from '../model/broker-conf.ts';
import { oldestVersion } from '../model/tls-version.ts';
import { BRIDGE_OPTIONS } from './conf-bridge-options.ts';
import { type ConfLine, linesOf } from './conf-lines.ts';
import { LISTENER_OPTIONS } from './conf-listener-options.ts';
import { OTHER_OPTIONS } from './conf-other-options.ts';
import { PLUGIN_OPTIONS, pluginOption } from './conf-plugin-options.ts';
import {
  type BridgeDraft,
  type ConfFile,
  type Context,
  DIALECTS,
  type Dialect,
  type Handler,
  type Included,
  type ListenerDraft,
  type Reading,
  type Scope,
  Stop,
} from './conf-scope.ts';

/** What the broker of this version reads, or where it stops. */
export function readConfAs(
  dialect: Dialect,
  main: ConfFile,
  included: (directory: string) => Included,
): ConfReading {
  const reading: Reading = {
    dialect,
    bridges: [],
    listeners: [],
    defaultListener: undefined,
    isLocalOnly: true,
    isPerListener: false,
    isSecured: false,
    given: new Map(),
    included,
    readFile: (file, level) => readFile(reading, file, level),
  };
  try {
    readFile(reading, main, 0);
    const all = allListeners(reading);
    // without a port or an address, it listens on 1883 of this machine only, without TLS; 2.0.11 then took any line
    const listeners = reading.isLocalOnly && dialect !== '2.0' ? [] : all;
    for (const bridge of reading.bridges) checkBridge(bridge);
    for (const listener of all) checkListener(dialect, listener);
    for (const listener of listeners) checkVersion(listener);
    return { ok: true, conf: { bridges: reading.bridges.map(finished), listeners } };
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return { ok: false, problem: { at: error.at, problem: error.message } };
  }
}

/** In the order in which they are opened; of 2.1 the default one is where it was made. */
function allListeners({ dialect, listeners, defaultListener }: Reading): readonly ListenerDraft[] {
  return dialect === '2.1' || defaultListener === undefined ? listeners : [...listeners, defaultListener];
}

export interface ReadConf {
  readonly reading: ConfReading;
  /** 2.0 and 2.1 both take it, and understand different things */
  readonly isAmbiguous: boolean;
}

/** Which version runs is not known: what one of them takes is taken, and the newer one's reading where both do. */
export function readConf(main: ConfFile, included: (directory: string) => Included): ReadConf {
  const readings = DIALECTS.toReversed().map((dialect) => readConfAs(dialect, main, included));
  const [newest, ...olderOnes] = readings.filter((reading) => reading.ok);
  // where none takes it, what the newest says of it
  if (newest === undefined) return { reading: readConfAs('2.1', main, included), isAmbiguous: false };
  return { reading: newest, isAmbiguous: olderOnes.some(({ conf }) => !isSame(newest.conf, conf)) };
}

/** As far as certificates are concerned; the order of the listeners makes no difference. */
function isSame(a: BrokerConf, b: BrokerConf): boolean {
  const listeners = ({ listeners: all }: BrokerConf) =>
    all
      .filter(speaksTls)
      .map(({ at: _, ...listener }) => JSON.stringify(listener))
      .toSorted();
  return (
    JSON.stringify(a.bridges) === JSON.stringify(b.bridges) &&
    JSON.stringify(listeners(a)) === JSON.stringify(listeners(b))
  );
}

function readFile(reading: Reading, { path, text }: ConfFile, level: number): void {
  const scope: Scope = {
    path,
    level,
    bridge: undefined,
    listener: undefined,
    hasPlugin: false,
  };
  for (const line of linesOf(text)) readLine(reading, scope, line);
}

function readLine(reading: Reading, scope: Scope, line: ConfLine): void {
  const { option } = line;
  const at: ConfPlace = { path: scope.path, line: line.line };
  const [known] = option.split(/[\t\v\f]/);
  if (known !== option && known !== undefined && OPTIONS.has(known)) {
    throw new Stop(at, `has a tab after ${known}, where Mosquitto takes only blanks`);
  }
  handlerOf(option)?.({ reading, scope, line, at });
}

function checkBridge({ name, at, addresses, topics, identity, psk }: BridgeDraft): void {
  if (addresses.length === 0) throw new Stop(at, `has connection ${name} without an address`);
  if (topics === 0) throw new Stop(at, `has connection ${name} without a topic`);
  if ((identity === undefined) !== (psk === undefined))
    throw new Stop(at, `has connection ${name} with only one of bridge_identity and bridge_psk`);
}

/** What the broker looks for when it has read everything, since 2.0.21. */
function checkListener(
  dialect: Dialect,
  { at, port, certfile, keyfile, cafile, capath }: ListenerDraft,
): void {
  if (dialect === '2.0') return;
  if (certfile !== undefined && keyfile === undefined)
    throw new Stop(at, `has listener ${port} with a certfile and without a keyfile`);
  if (certfile !== undefined) return;
  if (keyfile !== undefined) throw new Stop(at, `has listener ${port} with a keyfile and without a certfile`);
  if (cafile !== undefined || capath !== undefined)
    throw new Stop(at, `has listener ${port} with a CA and without a certfile`);
}

/** A broker that cannot open a listener ends. */
function checkVersion(listener: ListenerDraft): void {
  const { at, port, tlsVersion } = listener;
  if (speaksTls(listener) && oldestVersion(tlsVersion) === undefined)
    throw new Stop(at, `has listener ${port} with tls_version ${tlsVersion}, which Mosquitto does not know`);
}

function finished({ topics: _topics, identity: _identity, psk: _psk, ...bridge }: BridgeDraft): ConfBridge {
  return bridge;
}

function includeDirectory({ reading, scope, line, at }: Context): void {
  if (scope.level > 0) {
    // 2.0 passes over it
    if (reading.dialect !== '2.1') return;
    throw new Stop(at, 'has include_dir in a file that is included itself');
  }
  if (line.rest === undefined) throw new Stop(at, 'has include_dir without a directory');
  const files = reading.included(line.rest);
  if ('problem' in files) throw new Stop(at, `includes ${line.rest}, which ${files.problem}`);
  for (const file of files) reading.readFile(file, scope.level + 1);
}

/** Every option of one of the versions. */
export function knownOptions(): readonly string[] {
  return [...OPTIONS.keys()];
}

/** Undefined: an option of a version that is not known here, which is passed over. */
function handlerOf(option: string): Handler | undefined {
  return OPTIONS.get(option) ?? (/^(?:auth|plugin)_opt_/.test(option) ? pluginOption : undefined);
}

/** By name; what those of `OTHER_OPTIONS` say is not kept, only whether the broker would stop at them. */
const OPTIONS: ReadonlyMap<string, Handler> = new Map([
  ...OTHER_OPTIONS,
  ...PLUGIN_OPTIONS,
  ['include_dir', includeDirectory],
  ...BRIDGE_OPTIONS,
  ...LISTENER_OPTIONS,
]);
