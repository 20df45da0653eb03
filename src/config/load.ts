/** Makes settings of the environment and a configuration file, or says everything that is wrong with them. */

import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Settings } from '../core/settings.ts';
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
      problems.push(`${row.name}=${JSON.stringify(text)} is not ${row.parser.accepts}`);
    }
    return value;
  }

  const probeEnabled = read(TABLE.probeEnabled);
  const upstream = read(TABLE.upstream);
  if (probeEnabled === true && given(TABLE.upstream) === undefined) {
    problems.push(
      'UPSTREAM_ADDR is not set; name the broker to probe as host:port, or set ENABLE_TLS_PROBE=false',
    );
  }
  const dockerSock = read(TABLE.dockerSock);
  const partial = {
    certDir: read(TABLE.certDir),
    caCertFile: read(TABLE.caCertFile),
    clientCertFile: read(TABLE.clientCertFile),
    clientKeyFile: read(TABLE.clientKeyFile),
    container: read(TABLE.container),
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
    metricsHost: read(TABLE.metricsHost),
    stateFile: read(TABLE.stateFile),
  };
  if (problems.length > 0 || !isComplete(partial)) return { ok: false, problems };
  return { ok: true, settings: { ...partial, ...optional } };
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
