/** What is reported about the bridges of a broker, regardless of the verdict. */

import type { ToldBridge } from '../memory/bridge-news.ts';
import type { BridgeMemory } from '../memory/memory.ts';
import { type Bridge, type BridgeSight, MOST_BRIDGES } from '../model/bridge.ts';
import { probeSentence } from '../model/probe.ts';
import { brokerKind, type Settings } from '../model/settings.ts';
import type { Situation } from '../situation.ts';
import { seeLog } from '../text/commands.ts';
import type { Condition, Statement } from './condition.ts';

type HeardBridges = Extract<BridgeSight, { ok: true }>;

/**
 * For each bridge that the broker reports: whether it is up, reported again after every restart. While a broker has
 * just been restarted, or the watcher has just gained or lost its connection, a bridge that is down is not reported
 * yet.
 */
export function ofBridges(situation: Situation): Condition[] {
  const { name, memory, now } = situation;
  const { bridges } = memory;
  if (bridges === undefined) return [];
  const isQuiet = now.monoMs < (bridgesSettledAt(situation) ?? now.monoMs);
  const { sight, news, leftOut } = bridges;
  if (!sight.ok && !isQuiet) return [bridgesUnknown(name, sight)];
  return [
    ...news.told.flatMap((told) => ofBridge(situation, told)),
    ...(sight.ok && !isQuiet ? unheardBridge(situation, sight) : []),
    ...ofCrowd(name, leftOut),
    ...(news.unsteady === undefined ? [] : [bridgesUnsteady(situation, news.unsteady.connection)]),
  ];
}

function ofBridge(situation: Situation, { connection, up, spell, leftOut }: ToldBridge): Condition[] {
  const { now, name: container } = situation;
  if (!up) {
    const isPassing = now.monoMs < restartSettledAt(situation);
    return isPassing ? [] : [bridgeDown(situation, connection, { isListed: true, spell, leftOut })];
  }
  return [
    {
      event: 'bridge_connected',
      about: `${container} ${connection}`,
      subject: spell,
      details: { container, connection, left_out: leftOut || undefined },
      message: `the bridge ${connection} of ${container} is connected`,
    },
  ];
}

/** The bridge that is named in the settings, but not reported by the broker. */
function unheardBridge(situation: Situation, sight: HeardBridges): Condition[] {
  return expectedBridges(sight, situation.settings)
    .filter(isUnheard(sight))
    .map(({ connection }) => bridgeDown(situation, connection, { isListed: false, spell: '', leftOut: 0 }));
}

/** What was dropped because it exceeded a limit: not the fault of any bridge. */
function ofCrowd(container: string, leftOut: BridgeMemory['leftOut']): Statement[] {
  const found = [
    leftOut?.bridges &&
      `lists more than ${MOST_BRIDGES} bridges, or names that are too long: the rest is not watched`,
    leftOut?.messages && 'sends messages that are too long to be about a bridge: they are ignored',
  ].filter((each) => typeof each === 'string');
  return found.map((what) => ({
    event: 'watch_degraded',
    about: `what ${container} sends: ${what}`,
    subject: 'too much',
    details: { part: 'bridges', container },
    message: `${container} ${what}`,
    hint: 'let no client publish on $SYS/broker/connection/# (acl_file); where there are so many bridges, name the one that counts in BRIDGE_NAME',
  }));
}

function bridgesUnsteady({ name: container, settings }: Situation, connection: string): Statement {
  return {
    event: 'watch_degraded',
    about: `unsteady bridges of ${container}`,
    subject: 'unsteady',
    details: { part: 'bridges', container, connection },
    message: `the bridge ${connection} of ${container} goes up and down too fast for the log; the changes in between are left out`,
    hint: `${seeLog(brokerKind(settings.target), container)}; if it does not mention that, another client publishes on $SYS/broker/connection/#: forbid it (acl_file)`,
  };
}

/** Monotonic milliseconds until which bridges may still be connecting; undefined if the watcher does not subscribe. */
export function bridgesSettledAt(situation: Situation): number | undefined {
  const { memory, settings } = situation;
  const { bridges } = memory;
  if (bridges === undefined) return undefined;
  const afterRestart = restartSettledAt(situation);
  // a lost connection of ours, and a bridge that was not there from the beginning, get the same time
  const isNew = !bridges.sight.ok || expectedBridges(bridges.sight, settings).some(isUnheard(bridges.sight));
  return isNew ? Math.max(afterRestart, bridges.sinceMonoMs + settings.verifyTimeoutMs) : afterRestart;
}

/** Monotonic milliseconds until which a restart explains that a bridge is down. */
function restartSettledAt({ memory, settings }: Situation): number {
  return (memory.lastRestartMonoMs ?? Number.NEGATIVE_INFINITY) + settings.verifyTimeoutMs;
}

/** The bridges that the broker reports or, if there are none, the one named in the settings. */
function expectedBridges(
  sight: HeardBridges,
  { bridgeName }: Settings,
): readonly Pick<Bridge, 'connection' | 'up'>[] {
  if (sight.bridges.length > 0 || bridgeName === undefined) return sight.bridges;
  return [{ connection: bridgeName, up: false }];
}

function isUnheard({ bridges }: HeardBridges) {
  return ({ connection }: Pick<Bridge, 'connection'>) =>
    !bridges.some((bridge) => bridge.connection === connection);
}

function bridgeDown(
  { name: container, site, settings }: Situation,
  connection: string,
  {
    isListed,
    spell,
    leftOut,
  }: { readonly isListed: boolean; readonly spell: string; readonly leftOut: number },
): Statement {
  const verdict = site.lastVerdict?.verdict;
  const failure = verdict?.ok === false ? verdict : undefined;
  const why = !isListed
    ? ': the broker knows no bridge of this name'
    : failure !== undefined
      ? `: ${probeSentence(failure)}`
      : verdict === undefined
        ? '; the upstream has not been asked why'
        : ', although the upstream accepts the client certificate';
  const hint = !isListed
    ? `check BRIDGE_NAME, and that the bridge has no "notifications false": see $SYS/broker/connection/# of the broker`
    : (failure?.hint ?? seeLog(brokerKind(settings.target), container));
  return {
    event: 'bridge_down',
    about: `${container} ${connection}`,
    subject: `${spell} ${failure?.cause}`,
    details: {
      container,
      connection,
      cause: failure?.cause,
      error: failure?.error,
      left_out: leftOut || undefined,
    },
    message: `the bridge ${connection} of ${container} is down${why}`,
    hint,
  };
}

function bridgesUnknown(
  container: string,
  { problem, hint }: Extract<BridgeSight, { ok: false }>,
): Statement {
  return {
    event: 'watch_degraded',
    about: `bridges of ${container}`,
    subject: 'unknown',
    details: { part: 'bridges' },
    message: `it is unknown whether the bridges are up: ${problem}`,
    hint,
  };
}
