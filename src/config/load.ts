/** Builds the settings from the environment and a configuration file, or reports everything that is wrong with them. */

import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Settings } from '../core/model/settings.ts';
import { suggest } from '../core/text/suggest.ts';
import { messageOf } from '../system/errors.ts';
import { readRegularFile } from '../system/regular-file.ts';
import { readBrokers } from './brokers.ts';
import { readFiles, readProbe } from './certificates.ts';
import { engineOf } from './engine.ts';
import { parseEnvironmentFile } from './environment-file.ts';
import { directoryProblems, incomingProblems } from './incoming.ts';
import { createReader, type Reader } from './reader.ts';
import { secretUrlOf } from './secret-url.ts';
import { serverTlsOf } from './server-tls.ts';
import { quoted } from './shown.ts';
import { readStatusTopic } from './status-topic.ts';
import { type Entry, TABLE } from './table.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Loaded =
  | { readonly ok: true; readonly settings: Settings }
  /** one line per problem: name, the value given, what is accepted */
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads the settings; the environment takes precedence over both files, and of these the one with NAME=value over JSON.
 * An empty value counts as unset.
 */
export async function loadSettings(
  environment: Environment,
  configFile: string | undefined,
  environmentFile?: string | undefined,
): Promise<Loaded> {
  const json = configFile === undefined ? NO_FILE : await readConfigFile(configFile);
  const lines = environmentFile === undefined ? NO_FILE : await readEnvironmentFile(environmentFile);
  const file: FileValues = {
    values: new Map([...json.values, ...lines.values]),
    problems: [...json.problems, ...lines.problems],
  };
  const given = ({ name, fallback, parser }: Entry<string>) => {
    const text = environment[name] || file.values.get(name) || fallback;
    return text === undefined ? undefined : parser.parse(text);
  };
  const directories = await directoryProblems(given(TABLE.certDir), given(TABLE.incomingDir));
  return settingsFrom(environment, file.values, [...file.problems, ...directories]);
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

/** The settings in a file for systemd. Other names are for other readers, unless one looks like a setting. */
async function readEnvironmentFile(path: string): Promise<FileValues> {
  const option = `--env-file ${path}`;
  const read = await readRegularFile(resolve(path));
  if (!read.ok) return { values: new Map(), problems: [`${option}: ${read.problem}`] };
  const parsed = parseEnvironmentFile(read.bytes.toString('utf8'));
  if (!parsed.ok)
    return { values: new Map(), problems: [`${option}: line ${parsed.line} is not NAME=value`] };
  const names: readonly string[] = Object.values(TABLE).map(({ name }) => name);
  const values = [...parsed.values].filter(([name, value]) => names.includes(name) && value !== '');
  const misspelt = [...parsed.values.keys()].filter(
    (name) => !names.includes(name) && suggest(name, names) !== undefined,
  );
  return { values: new Map(values), problems: unknownKeys(misspelt, names, option) };
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
  const unknown: string[] = [];
  for (const [key, value] of Object.entries(json)) {
    if (!keys.includes(key)) unknown.push(key);
    else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      values.set(key.toUpperCase(), String(value));
    } else {
      problems.push(`--config ${path}: ${key} must be a string, a number or true or false`);
    }
  }
  return { values, problems: [...unknownKeys(unknown, keys, `--config ${path}`), ...problems] };
}

/** This many unknown keys are enough to recognize a file that is not meant for this program. */
const MOST_UNKNOWN = 20;

function unknownKeys(unknown: readonly string[], keys: readonly string[], option: string): string[] {
  const problems = unknown.slice(0, MOST_UNKNOWN).map((key) => {
    const near = suggest(key, keys) ?? suggest(key.toLowerCase(), keys);
    return `${option}: unknown key ${quoted(key)}${near ? `; did you mean ${near}?` : ''}`;
  });
  const others = unknown.length - MOST_UNKNOWN;
  return others > 0 ? [...problems, `${option}: and ${others} more unknown keys`] : problems;
}

/** V8's message without the text around the fault, which it quotes: it may contain a password. */
function jsonProblem(error: unknown): string {
  const [problem = ''] = messageOf(error).split(/,? (?:\.\.\.)?"/);
  return problem === '' ? 'it cannot be understood' : problem;
}

async function settingsFrom(
  environment: Environment,
  fileValues: ReadonlyMap<string, string>,
  fileProblems: readonly string[],
): Promise<Loaded> {
  const reader = createReader(environment, fileValues, fileProblems);
  const { read, complain, problems } = reader;
  const files = readFiles(reader);
  const probe = readProbe(reader);
  const partial = {
    ...files.present,
    ...probe.present,
    ...readBrokers(reader),
    engine: readEngine(reader, environment['HOME']),
    ...(await readTimes(reader)),
    restartEnabled: read(TABLE.restartEnabled),
    metricsEnabled: read(TABLE.metricsEnabled),
    metricsPort: read(TABLE.metricsPort),
    notifyFormat: read(TABLE.notifyFormat),
    notifyLevel: read(TABLE.notifyLevel),
    logLevel: read(TABLE.logLevel),
  };
  const incomingDir = read(TABLE.incomingDir);
  if (incomingDir !== undefined) complain(...incomingProblems({ ...partial, ...files }));
  const optional = {
    incomingDir,
    mosquittoConf: files.mosquittoConf,
    caCertFile: files.mosquittoConf === undefined ? files.caCertFile : undefined,
    restartWindow: readWindow(reader),
    ...probe.target,
    brokerUser: read(TABLE.brokerUser),
    stopTimeoutMs: read(TABLE.stopTimeoutMs),
    brokerCredentialsFile: read(TABLE.brokerCredentialsFile),
    brokerCaFile: read(TABLE.brokerCaFile),
    bridgeName: read(TABLE.bridgeName),
    ...readStatusTopic(reader),
    metricsHost: read(TABLE.metricsHost),
    metricsTls: readServerTls(reader),
    metricsAuthFile: read(TABLE.metricsAuthFile),
    stateFile: read(TABLE.stateFile),
    notifyUrl: readSecret(reader, TABLE.notifyUrl, TABLE.notifyUrlFile),
    notifyCaFile: read(TABLE.notifyCaFile),
    heartbeatUrl: readSecret(reader, TABLE.heartbeatUrl, TABLE.heartbeatUrlFile),
  };
  if (problems().length > 0 || !isComplete(partial)) return { ok: false, problems: problems() };
  return { ok: true, settings: { ...partial, ...optional } };
}

async function readTimes({ read }: Reader) {
  return {
    tlsTimeoutMs: read(TABLE.tlsTimeoutMs),
    probeIntervalMs: read(TABLE.probeIntervalMs),
    checkIntervalMs: read(TABLE.checkIntervalMs),
    stabilityWindowMs: read(TABLE.stabilityWindowMs),
    cooldownMs: read(TABLE.cooldownMs),
    splayMs: await splayOf(read(TABLE.restartSplayMs)),
    verifyTimeoutMs: read(TABLE.verifyTimeoutMs),
    heartbeatIntervalMs: read(TABLE.heartbeatIntervalMs),
    expiryWarnDays: read(TABLE.expiryWarnDays),
  };
}

function readEngine({ given, read, complain }: Reader, home: string | undefined) {
  const [dockerHost, dockerSock] = [read(TABLE.dockerHost), read(TABLE.dockerSock)];
  const socket = dockerSock === undefined ? undefined : ({ kind: 'unix', path: dockerSock } as const);
  const { endpoint, problems } = engineOf({
    address: given(TABLE.dockerHost) === undefined ? socket : dockerHost,
    tlsVerify: read(TABLE.dockerTlsVerify),
    certPath: read(TABLE.dockerCertPath),
    home,
  });
  complain(...problems);
  return endpoint;
}

function readServerTls({ read, complain }: Reader) {
  const { tls, problems } = serverTlsOf({
    certFile: read(TABLE.metricsTlsCertFile),
    keyFile: read(TABLE.metricsTlsKeyFile),
    clientCaFile: read(TABLE.metricsClientCaFile),
  });
  complain(...problems);
  return tls;
}

function readWindow({ given, read }: Reader) {
  const [rules, timeZone] = [read(TABLE.restartWindow), read(TABLE.restartWindowTimeZone)];
  if (rules === undefined || timeZone === undefined) return undefined;
  return { text: given(TABLE.restartWindow) ?? '', timeZone, rules };
}

function readSecret({ read, complain }: Reader, row: Entry<string>, fileRow: Entry<string>) {
  const { url, problem } = secretUrlOf(row, read(row), fileRow, read(fileRow));
  if (problem !== undefined) complain(problem);
  return url;
}

/** This host's share of the whole splay. What computes it is loaded only if there is one: that is all of node:crypto. */
async function splayOf(wholeMs: number | undefined): Promise<number | undefined> {
  if (wholeMs === undefined || wholeMs === 0) return wholeMs;
  const { shareOf } = await import('./splay.ts');
  return Math.round(wholeMs * shareOf(hostname()));
}

type Complete<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

function isComplete<T extends object>(values: T): values is T & Complete<T> {
  return Object.values(values).every((value) => value !== undefined);
}
