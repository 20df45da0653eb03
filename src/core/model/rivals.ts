/**
 * Other watchers of the same broker: an upgrade that overlaps, a systemd unit beside a container. Which one goes first,
 * and how long the others wait, follows from values that are the same for all of them. Pure.
 */

import type { BrokerState, SingleState } from './broker.ts';
import { isMeant } from './container.ts';
import type { Settings } from './settings.ts';
import { serviceName } from './unit.ts';

/** What a watcher is configured to restart, as far as that can be seen from outside. */
export interface WatcherTarget {
  /** containers, by name or id */
  readonly containers: readonly string[];
  readonly label: string | undefined;
  /** a unit of systemd, by its full name, instead of containers */
  readonly unit?: string | undefined;
  /** false: it only observes */
  readonly restarts: boolean;
}

export interface WatcherProcess {
  readonly kind: 'process';
  readonly pid: number;
  /** since the boot of the machine, in ticks of its clock */
  readonly startedTicks: number;
}

export interface WatcherContainer {
  readonly kind: 'container';
  readonly id: string;
  /** seconds since the epoch, as the engine lists it */
  readonly createdS: number;
  /** it reaches the engine through `DOCKER_HOST`: a proxy may hide the others from it */
  readonly overTcp: boolean;
}

/** Another watcher on this machine or engine. */
export interface OtherWatcher {
  /** for people: `process 4711` */
  readonly name: string;
  readonly place: WatcherProcess | WatcherContainer;
  /** it runs in a container and cannot see this one */
  readonly isBlind: boolean;
  /** undefined: not visible with the rights of this user */
  readonly target: WatcherTarget | undefined;
}

/** One search for other watchers. */
export interface WatchersSeen {
  readonly own: { readonly process: WatcherProcess; readonly container: WatcherContainer | undefined };
  readonly others: readonly OtherWatcher[];
}

/** Whether another watcher manages this broker; undefined: possibly. */
export function looksAfter(
  { target }: OtherWatcher,
  container: string,
  broker: BrokerState | undefined,
): boolean | undefined {
  if (target === undefined) return undefined;
  if (!target.restarts) return false;
  if (target.unit !== undefined)
    return target.unit === container || (broker?.kind === 'unit' && target.unit === broker.id);
  if (broker?.kind === 'unit') return false;
  // only the engine knows which containers have a label
  if (target.label !== undefined) return undefined;
  return target.containers.some(
    (each) =>
      each === container || (broker !== undefined && isMeant(each, { id: broker.id, name: container })),
  );
}

/**
 * Whether the other watcher restarts first. A watcher that does not see the other cannot wait, so it goes first; of
 * those that see each other, the older one does.
 */
export function goesFirst({ own }: WatchersSeen, { place, isBlind }: OtherWatcher): boolean {
  if (place.kind === 'process')
    return isBlind || isBefore(place.startedTicks - own.process.startedTicks, place.pid - own.process.pid);
  if (own.container === undefined) return true;
  const { overTcp, createdS, id } = own.container;
  return isBefore(Number(overTcp) - Number(place.overTcp), place.createdS - createdS, place.id < id ? -1 : 1);
}

/** Compares by the first difference that is not zero. */
function isBefore(...differences: readonly number[]): boolean {
  return (differences.find((each) => each !== 0) ?? 0) < 0;
}

/** What stopping and starting may take beyond the grace period, plus the possible delay of the first watcher. */
const SLACK_MS = 5_000;

/**
 * Mosquitto stops and starts in well under this time; another watcher that only possibly manages this broker is waited
 * for no longer.
 */
const PERHAPS_MS = 1_500;

const DEFAULT_GRACE_MS = 10_000;
const ENDLESS_GRACE_MS = 300_000;

/** The distance between lots: a broker is usually back before the next lot is due. */
const LOT_MS = 2_000;
const LOTS = 5;

/** Why a watcher waits although nothing else keeps it from restarting. */
export interface Yielding {
  readonly patienceMs: number;
  /** which watcher goes first, for people; undefined: one that was only noticed by its actions */
  readonly first: string | undefined;
}

/** For which watcher, and how long at most, the watcher that drew `lot` waits with this set; undefined: for none. */
export function yieldsTo(
  seen: WatchersSeen | undefined,
  broker: SingleState,
  {
    name,
    lot,
    isAlone,
    fingerprint,
  }: {
    readonly name: string;
    readonly lot: string;
    readonly isAlone: boolean;
    readonly fingerprint: string;
  },
  settings: Settings,
): Yielding | undefined {
  const first = seen?.others.filter((other) => goesFirst(seen, other)) ?? [];
  const certain = first.filter((other) => looksAfter(other, name, broker) === true);
  const possible = first.filter((other) => looksAfter(other, name, broker) === undefined);
  const share = LOT_MS * (hash(`${lot} ${fingerprint}`) % LOTS);
  const patience = [
    certain.length * (graceMs(broker, settings) + SLACK_MS) + (certain.length > 0 ? share : 0),
    possible.length > 0 ? PERHAPS_MS : 0,
    isAlone ? 0 : LOT_MS + share,
  ];
  const patienceMs = Math.max(...patience);
  return patienceMs === 0 ? undefined : { patienceMs, first: (certain[0] ?? possible[0])?.name };
}

function graceMs(broker: SingleState, { stopTimeoutMs }: Settings): number {
  // while systemd stops or starts it nobody restarts it anyway
  const stopTimeoutS = broker.kind === 'unit' ? undefined : broker.stopTimeoutS;
  const ms = stopTimeoutMs ?? (stopTimeoutS === undefined ? DEFAULT_GRACE_MS : stopTimeoutS * 1_000);
  return ms < 0 ? ENDLESS_GRACE_MS : ms;
}

/** FNV-1a, 32 bits: it spreads values, it hides nothing. http://www.isthe.com/chongo/tech/comp/fnv/ */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

/** The names under which the program is built, shipped and installed. */
const PROGRAM = /^mosquitto-cert-watcher(-linux-(amd64|arm64))?$/;

/** An init process, or an interpreter with its flags, has no more words than this before the program. */
const WORDS_BEFORE = 8;

/**
 * Whether a process with these words is a watcher, and not another command of this program; `script` is the path that
 * an interpreter runs as this program.
 */
export function isWatcherProcess(words: readonly string[], script: string | undefined): boolean {
  const [program = ''] = words;
  if (PROGRAM.test(baseName(program))) return isRun(words.slice(1));
  const at = script === undefined ? -1 : words.slice(0, WORDS_BEFORE).indexOf(script);
  return at >= 0 && isRun(words.slice(at + 1));
}

/** Whether the first process of a container is a watcher, or an init process that starts one. */
export function isWatcherContainer(words: readonly string[]): boolean {
  const at = words.slice(0, WORDS_BEFORE).findIndex((word) => PROGRAM.test(baseName(word)));
  return at >= 0 && isRun(words.slice(at + 1));
}

function isRun(rest: readonly string[]): boolean {
  const command = rest.find((word, index) => !word.startsWith('-') && rest[index - 1] !== '--config');
  const asks = rest.some((word) => ['--help', '--version', '-h', '-V'].includes(word));
  return !asks && (command === undefined || command === 'run');
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** What a watcher with this environment and these words restarts; undefined: a file determines it. */
export function targetOf(
  environment: ReadonlyMap<string, string>,
  words: readonly string[],
  byDefault: string,
): WatcherTarget | undefined {
  const read = (name: string) => environment.get(name) || undefined;
  const label = read('MOSQUITTO_LABEL');
  const names = read('MOSQUITTO_CONTAINER');
  const service = read('MOSQUITTO_SERVICE');
  const unit = serviceName(read('MOSQUITTO_UNIT') ?? '');
  const restarts = !/^(0|f|F|false|FALSE|False)$/.test(read('ENABLE_RESTART') ?? '');
  const hasFile = words.some((word) => word === '--config' || word.startsWith('--config='));
  if ([label, names, service, unit].every((each) => each === undefined) && hasFile) return undefined;
  // a swarm itself decides between watchers that update a service
  if (service !== undefined) return { containers: [], label: undefined, restarts: false };
  if (unit !== undefined) return { containers: [], label: undefined, unit, restarts };
  const containers = (names ?? byDefault).split(',').map((name) => name.trim().replace(/^\//, ''));
  return { containers: label === undefined ? containers : [], label, restarts };
}
