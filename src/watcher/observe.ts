/** One look at the files, the brokers and their bridges. */

import type { CertFiles } from '../adapters/cert-files.ts';
import type { Clock } from '../adapters/clock.ts';
import type { FileEvents } from '../adapters/file-events.ts';
import type { LiveSets } from '../adapters/live-directory/live-directory.ts';
import { rememberBridges, rememberDivergence, rememberNames } from '../core/memory/broker.ts';
import { rememberLive } from '../core/memory/live.ts';
import { rememberFiles, rememberRequests } from '../core/memory/site.ts';
import type { FilesObservation } from '../core/model/files.ts';
import type { Settings } from '../core/model/settings.ts';
import type { Condition } from '../core/news/condition.ts';
import type { Situation } from '../core/situation.ts';
import { formatSeconds } from '../core/text/duration.ts';
import type { BridgeListener, BrokerList } from '../rollout/rollout.ts';
import { createBrokerLooks } from './broker-looks.ts';
import { createRequests, type Listen } from './requests.ts';
import type { State } from './state.ts';

export interface ObserverParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly certFiles: CertFiles;
  /** undefined: the agent writes to the live directory itself */
  readonly liveSets?: LiveSets | undefined;
  /** undefined: there are no hints */
  readonly createFileEvents?: (onHint: () => void) => FileEvents;
  /** undefined: there are no requests */
  readonly onRequest?: Listen;
  readonly brokers: BrokerList;
  readonly bridgeListeners: readonly BridgeListener[];
  /** what is wrong with the files of the HTTP server, while it continues with the ones it had */
  readonly pagesTroubles?: (() => readonly PagesTrouble[]) | undefined;
  /** why the state of the watcher may not be published */
  readonly statusTrouble?: (() => Omit<PagesTrouble, 'part'> | undefined) | undefined;
}

export interface PagesTrouble {
  readonly part: string;
  readonly problem: string;
  readonly hint: string;
}

export interface ObserveOptions {
  /** the engine is asked about every broker as for a decision, and gets this long for each answer */
  readonly thoroughWithinMs?: number;
}

export interface Observer {
  /** One look, remembered; the situation of every broker in restart order. */
  observe(signal: AbortSignal, options?: ObserveOptions): Promise<readonly Situation[]>;
  /**
   * Whether the broker would still load the files that were seen under this identity: the engine may have taken its
   * time for an answer since. The live directory of a two-phase rotation is changed by nobody else.
   */
  isStillThere(identity: string): Promise<boolean>;
  /** What keeps the watcher from seeing or storing as much as it should. */
  degradations(): readonly Condition[];
  close(): Promise<void>;
}

/** Begins to listen for file events and bridges; `onHint` is called when a look is worthwhile. */
export function createObserver(
  {
    settings,
    clock,
    certFiles,
    liveSets,
    createFileEvents,
    onRequest,
    brokers,
    bridgeListeners,
    pagesTroubles,
    statusTrouble,
  }: ObserverParts,
  state: State,
  onHint: () => void = () => undefined,
  onFiles: (files: FilesObservation) => void = () => undefined,
): Observer {
  const fileEvents = createFileEvents?.(onHint);
  const requests = onRequest && createRequests(onRequest, clock, onHint);
  const brokerLooks = createBrokerLooks({ settings, clock, brokers }, state);
  for (const listener of bridgeListeners) listener.open(onHint);

  async function observe(
    signal: AbortSignal,
    { thoroughWithinMs }: ObserveOptions = {},
  ): Promise<readonly Situation[]> {
    await fileEvents?.arm();
    const files = await certFiles.observe(clock.now().monoMs);
    const live = await liveSets?.observe(clock.now().monoMs);
    const seen = clock.now();
    const before = state.site();
    state.rememberSite((site) => rememberRequests(rememberFiles(site, files, seen), requests?.take() ?? []));
    if (live !== undefined) state.rememberSite((site) => rememberLive(site, live, seen));
    const { sighting } = live === undefined ? before : { sighting: before.live?.sighting };
    for (const broker of state.brokers()) {
      broker.memory = rememberNames(broker.memory, files);
      broker.memory = rememberDivergence(broker.memory, { sighting }, live?.files ?? files, seen);
    }
    lookAtBridges();
    await state.save();
    onFiles(files);
    const now =
      thoroughWithinMs === undefined
        ? await brokerLooks.whereDue(files, seen, signal)
        : await brokerLooks.atAll(files, { signal, timeoutMs: thoroughWithinMs });
    return state.brokers().map((broker) => state.situation(broker, files, now));
  }

  /** An address that reports for all brokers counts for the first of them. */
  function lookAtBridges() {
    const now = clock.now();
    for (const [index, broker] of state.brokers().entries()) {
      const listener = bridgeListeners.find(({ container }) =>
        container === undefined ? index === 0 : container === broker.name,
      );
      broker.memory = rememberBridges(broker.memory, listener?.sight(), now, settings);
    }
  }

  async function isStillThere(identity: string): Promise<boolean> {
    if (liveSets !== undefined) return true;
    return (await certFiles.observe(clock.now().monoMs)).identity === identity;
  }

  return {
    observe,
    isStillThere,
    degradations: () => [
      ...degradation(
        'file_events',
        fileEvents?.trouble(),
        `changes are found by polling every ${formatSeconds(settings.checkIntervalMs)} all the same`,
      ),
      ...degradation(
        'state_file',
        state.trouble(),
        'the watcher continues without it and writes it as soon as it can; it asks the engine for what it does not know',
      ),
      ...statusDegradation(statusTrouble?.()),
      ...(pagesTroubles?.() ?? []).flatMap(({ part, problem, hint }) =>
        degradation(part, `${problem}; the HTTP server continues with what it read before`, hint),
      ),
    ],
    async close() {
      fileEvents?.close();
      requests?.close();
      await Promise.all(bridgeListeners.map((listener) => listener.close()));
    },
  };
}

function statusDegradation(trouble: Omit<PagesTrouble, 'part'> | undefined): Condition[] {
  return trouble === undefined ? [] : degradation('status_topic', trouble.problem, trouble.hint);
}

function degradation(part: string, message: string | undefined, hint: string): Condition[] {
  if (message === undefined) return [];
  return [{ event: 'watch_degraded', about: part, subject: message, details: { part }, message, hint }];
}
