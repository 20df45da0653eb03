/**
 * What would be decided for one broker if it were the only one. In a two-phase rotation the decision is about the set
 * that the agent has written or, where that set cannot be promoted, about the live set, which the broker may not have
 * loaded yet.
 */

import { acceptedSituation, type Peers, type Situation, startsAtOnce } from '../situation.ts';
import type { Reason } from './diagram.ts';
import { type Judged, judge } from './judge.ts';

export interface Candidate {
  /** the situation that was walked */
  readonly situation: Situation;
  /** the situation as observed; differs from `situation` only where the live set was walked */
  readonly observed: Situation;
  readonly judged: Judged;
  /** why the set that the agent has written is not applied to the broker now, in one sentence */
  readonly waitsFor: string;
}

/**
 * Reasons for which an incoming set can never be promoted, however long it waits. A set that waits for anything else is
 * the next to be promoted.
 */
const CANNOT_COME: ReadonlySet<Reason> = new Set([
  'certs_missing',
  'cert_unparsable',
  'cert_expired',
  'crl_expired',
  'cert_not_yet_valid',
  'key_unusable',
  'set_rolled_back',
  'probe_holds',
  'set_unreadable',
  'promotion_failed',
]);

/** Without `peers`, the broker is treated as the only one. */
export function candidateOf(observed: Situation, peers?: Peers): Candidate {
  const judged = judge(observed, peers);
  const waitsFor = judged.sentence;
  const cannotCome = CANNOT_COME.has(judged.reason);
  // a broker that is down because of a set that was rolled back is started with the live one, whatever set comes next
  const situation = cannotCome || startsAtOnce(observed) ? acceptedSituation(observed) : undefined;
  if (situation === undefined) return { situation: observed, observed, judged, waitsFor };
  const live = judge(situation, peers);
  if (!cannotCome && live.step?.kind !== 'restart')
    return { situation: observed, observed, judged, waitsFor };
  const conditions = [...(judged.conditions ?? []), ...(live.conditions ?? [])];
  // it has the live set: what that shows is remembered, but what is reported is the incoming set
  if (live.pending !== true) {
    const { step } = live;
    return {
      situation: observed,
      observed,
      judged: { ...judged, ...(step && { step }), conditions },
      waitsFor,
    };
  }
  return { situation, observed, judged: { ...live, conditions }, waitsFor };
}
