/**
 * What one decision takes, in microseconds on standard output: a broker that has the set, and one that a changed set waits
 * for; the slower of the two medians. To be run with the flags of the executable, whose V8 makes no machine code.
 */

import { at, broker, set, settings } from '../lab/core-fixtures.ts';
import { decide } from '../src/core/decision/decide.ts';
import { createBrokerMemory } from '../src/core/memory/broker.ts';
import { rememberApplied } from '../src/core/memory/rollout.ts';
import { createSiteMemory, rememberFiles } from '../src/core/memory/site.ts';

const ROUNDS = 2_000;

/** A minute after the start, with the set `name` on disk and `old` in the broker. */
function situationWith(name: string) {
  const [now, files, known] = [at(60_000), set(name, 55_000), set('old', -60_000)];
  const memory = rememberApplied(createBrokerMemory(at(0), undefined), {
    fingerprint: known.fingerprint,
    startedAt: broker(-60_000).startedAt,
    notAfterMs: known.leaf.notAfterMs,
  });
  const site = rememberFiles(createSiteMemory(at(0)), files, now);
  return { now, files, site, name: 'eclipse-mosquitto', memory, settings: settings() };
}

/** The median of many. */
function decisionUs(name: string): number {
  const situation = situationWith(name);
  const times = Array.from({ length: ROUNDS }, () => {
    const beganAt = performance.now();
    decide([situation]);
    return performance.now() - beganAt;
  });
  return (times.toSorted((a, b) => a - b)[ROUNDS / 2] ?? Number.NaN) * 1_000;
}

process.stdout.write(`${Math.max(decisionUs('old'), decisionUs('new')).toFixed(0)}\n`);
