/** Makes settings of the environment and a configuration file, or says everything that is wrong with them. */

import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Settings, Target } from '../core/settings.ts';
import { suggest } from '../core/suggest.ts';
import { readRegularFile } from '../system/regular-file.ts';
import { shareOf } from './splay.ts';
import { type Entry, TABLE } from './table.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Loaded =
  | { readonly ok: true; readonly settings: Settings }
  /** one line a problem: name, the value given, what is accepted */
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads the settings; the environment wins over the file. An empty value counts as unset. */
export async function loadSettings(
  environment: Environment,
  configFile: string | undefined,
): Promise<Loaded> {
  const file = configFile === undefined ? NO_FILE : await readConfigFile(configFile);
  return settingsFrom(environment, file.values, file.problems);
}

interface FileValues {
  readonly values: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
}

const NO_FILE: FileValues = { values: new Map(), problems: [] };

async function readConfigFile(path: string): Promise<FileValues> {
  const read = await readRegularFile(resolve(path));
  if (!read.ok) return { values: new Map(), problems: [`--config ${path}: ${read.problem}`] };
  return parseConfig(read.bytes.toString('utf8'), path);
}

/** The values of a configuration file's text by environment name, and what is wrong with it. */
export function parseConfig(text: string, path: string): FileValues {
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    return { values: new Map(), problems: [`--config ${path}: is not JSON: ${jsonProblem(error)}`] };
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return { values: new Map(), problems: [`--config ${path}: must be one JSON object`] };
  }
  const keys = Object.values(TABLE).map(({ name }) => name.toLowerCase());
  const values = new Map<string, string>();
  const problems: string[] = [];
  for (const [key, value] of Object.entries(json)) {
    if (!keys.includes(key)) {
      const near = suggest(key.toLowerCase(), keys);
      problems.push(
        `--config ${path}: unknown key ${JSON.stringify(key)}${near ? `; did you mean ${near}?` : ''}`,
      );
    } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      values.set(key.toUpperCase(), String(value));
    } else {
      problems.push(`--config ${path}: ${key} must be a string, a number or true or false`);
    }
  }
  return { values, problems };
}

/** The first line is enough: V8 quotes the text around the fault. */
function jsonProblem(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
}

function settingsFrom(
  environment: Environment,
  fileValues: ReadonlyMap<string, string>,
  fileProblems: readonly string[],
): Loaded {
  const problems = [...fileProblems];

  function given({ name }: Entry<unknown>): string | undefined {
    return environment[name] || fileValues.get(name) || undefined;
  }

  /** The value given, or the default; an unusable value is a problem, and its place is held by undefined. */
  function read<T>(row: Entry<T>): T | undefined {
    const text = given(row) ?? row.fallback;
    const value = text === undefined ? undefined : row.parser.parse(text);
    if (text !== undefined && value === undefined) {
      const shown = row.parser.show?.(text) ?? text;
      problems.push(`${row.name}=${JSON.stringify(shown)} is not ${row.parser.accepts}`);
    }
    return value;
  }

  /** One of three ways to say which brokers; the first has a default. */
  function readTarget(): Target | undefined {
    const [names, label, name] = [read(TABLE.container), read(TABLE.label), read(TABLE.service)];
    const rows = [TABLE.container, TABLE.label, TABLE.service];
    const chosen = rows.filter((row) => given(row) !== undefined);
    if (chosen.length > 1) {
      const isUsable = chosen.every((row) => row.parser.parse(given(row) ?? '') !== undefined);
      const both = chosen.map((row) => row.name).join(' and ');
      if (isUsable) problems.push(`${both} are set; only one of them can say which brokers to restart`);
      return undefined;
    }
    if (label !== undefined) return { kind: 'label', label };
    if (name !== undefined) return { kind: 'service', name };
    return names && { kind: 'containers', names };
  }

  const probeEnabled = read(TABLE.probeEnabled);
  const upstream = read(TABLE.upstream);
  if (probeEnabled === true && given(TABLE.upstream) === undefined) {
    problems.push(
      'UPSTREAM_ADDR is not set; name the broker to probe as host:port, or set ENABLE_TLS_PROBE=false',
    );
  }
  const target = readTarget();
  const brokerUrls = given(TABLE.brokerUrls) === undefined ? [] : read(TABLE.brokerUrls);
  const reloadStrategy = read(TABLE.reloadStrategy);
  problems.push(...bridgeProblems(target, brokerUrls, reloadStrategy));
  const dockerSock = read(TABLE.dockerSock);
  const partial = {
    certDir: read(TABLE.certDir),
    caCertFile: read(TABLE.caCertFile),
    clientCertFile: read(TABLE.clientCertFile),
    clientKeyFile: read(TABLE.clientKeyFile),
    target,
    container: target && nameOf(target),
    tlsTimeoutMs: read(TABLE.tlsTimeoutMs),
    probeMode: read(TABLE.probeMode),
    probeIntervalMs: read(TABLE.probeIntervalMs),
    probeGate: read(TABLE.probeGate),
    checkIntervalMs: read(TABLE.checkIntervalMs),
    stabilityWindowMs: read(TABLE.stabilityWindowMs),
    cooldownMs: read(TABLE.cooldownMs),
    splayMs: splayOf(read(TABLE.restartSplayMs)),
    expiryWarnDays: read(TABLE.expiryWarnDays),
    engine:
      read(TABLE.dockerHost) ??
      (dockerSock === undefined ? undefined : { kind: 'unix' as const, path: dockerSock }),
    verifyTimeoutMs: read(TABLE.verifyTimeoutMs),
    reloadStrategy,
    brokerUrls,
    probeEnabled,
    restartEnabled: read(TABLE.restartEnabled),
    metricsEnabled: read(TABLE.metricsEnabled),
    metricsPort: read(TABLE.metricsPort),
    logLevel: read(TABLE.logLevel),
  };
  const optional = {
    upstream,
    tlsSni: read(TABLE.tlsSni) ?? sniOf(upstream?.host),
    stopTimeoutMs: read(TABLE.stopTimeoutMs),
    brokerCredentialsFile: read(TABLE.brokerCredentialsFile),
    brokerCaFile: read(TABLE.brokerCaFile),
    bridgeName: read(TABLE.bridgeName),
    metricsHost: read(TABLE.metricsHost),
    stateFile: read(TABLE.stateFile),
  };
  if (problems.length > 0 || !isComplete(partial)) return { ok: false, problems };
  return { ok: true, settings: { ...partial, ...optional } };
}

/** The brokers of a target in a word or two. */
function nameOf(target: Target): string {
  switch (target.kind) {
    case 'containers':
      return target.names.join(', ');
    case 'label':
      return `containers with ${target.label}`;
    case 'service':
      return target.name;
  }
}

/** What is wrong between the brokers and the place where their bridges are looked for. */
function bridgeProblems(
  target: Target | undefined,
  brokerUrls: Settings['brokerUrls'] | undefined,
  reloadStrategy: Settings['reloadStrategy'] | undefined,
): string[] {
  if (target === undefined || brokerUrls === undefined) return [];
  const problems: string[] = [];
  const count = target.kind === 'containers' ? target.names.length : 1;
  if (brokerUrls.length > 1 && brokerUrls.length !== count) {
    problems.push(
      `BROKER_URL has ${brokerUrls.length} addresses for ${count} ${count === 1 ? 'broker' : 'brokers'}; give one for all, or one for each name in MOSQUITTO_CONTAINER`,
    );
  }
  if (reloadStrategy !== 'sighup') return problems;
  if (target.kind !== 'containers') {
    problems.push('RELOAD_STRATEGY=sighup needs MOSQUITTO_CONTAINER: each broker is asked by itself');
  } else if (brokerUrls.length !== count) {
    problems.push(
      'RELOAD_STRATEGY=sighup needs BROKER_URL, one for each broker: without it nothing proves that a signal was enough',
    );
  }
  return problems;
}

/** What falls to this host of the whole splay. */
function splayOf(wholeMs: number | undefined): number | undefined {
  return wholeMs === undefined ? undefined : Math.round(wholeMs * shareOf(hostname()));
}

/** TLS has no server name for an address (RFC 6066, section 3). */
function sniOf(host: string | undefined): string | undefined {
  return host === undefined || isIP(host) !== 0 ? undefined : host;
}

type Complete<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

function isComplete<T extends object>(values: T): values is T & Complete<T> {
  return Object.values(values).every((value) => value !== undefined);
}
