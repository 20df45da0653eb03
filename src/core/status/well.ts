/** The overall state in one sentence, where nothing is wrong. */

import type { Decision } from '../decision/decide.ts';
import { presents } from '../model/presented.ts';
import { asksUpstream, isComparedAt } from '../model/settings.ts';
import type { Situation } from '../situation.ts';
import { timeLeft } from '../text/time-left.ts';
import { REASON_WORDS } from './reasons.ts';

/** What is waited for, or that everything has the current certificates. */
export function wellSentence({ situation, pending, reason }: Decision, brokerCount: number): string {
  return (pending ? REASON_WORDS[reason].pending : undefined) ?? settledSentence(situation, brokerCount);
}

/** The broker has the set that is on disk. */
function settledSentence(
  { name, files, site, memory, settings, now }: Situation,
  brokerCount: number,
): string {
  if (files.kind !== 'complete') return 'the certificate files are being written at this moment';
  const { count, unit } = timeLeft(files.leaf.notAfterMs - now.wallMs);
  const valid = `valid for ${count} more ${unit}`;
  const has =
    brokerCount === 1
      ? `${name} has the current certificates`
      : `all ${brokerCount} brokers have the current certificates`;
  const verdict = site.probe?.verdict;
  if (isComparedAt(settings, name) && presents(memory.presented?.seen, files))
    return `${has}, its listener presents them, ${valid}`;
  if (!asksUpstream(settings)) return `${has}, ${valid}`;
  if (verdict?.ok !== true) return `${has}, ${valid}; the upstream is being asked`;
  return `${has}, the upstream accepts them, ${valid}`;
}
