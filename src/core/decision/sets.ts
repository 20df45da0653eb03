/** Several sets of one broker: each is judged by itself, and told under its name; they are applied together. */

import {
  certExpired,
  certNotYetValid,
  certsMissing,
  certUnparsable,
  crlExpired,
  keyUnusable,
} from '../judgements/certificates.ts';
import { probeHolds } from '../judgements/restart.ts';
import type { Verdict } from '../judgements/verdict.ts';
import type { Condition } from '../news/condition.ts';
import { ofPair } from '../news/listener.ts';
import { crlExpiring } from '../news/revocation.ts';
import { ofConf, ofNamed } from '../news/sets.ts';
import { ofProbe, ofSet } from '../news/standing.ts';
import { changedViews, type SetSituation, type Situation, setSituation, viewOf } from '../situation.ts';
import type { Reason } from './diagram.ts';

/** Up to `CERT_VALID`, and by its probe, each set is judged by itself. */
const OF_VIEW: Partial<Record<Reason, (view: Situation) => Verdict | undefined>> = {
  certs_missing: certsMissing,
  cert_unparsable: certUnparsable,
  cert_expired: ofReadable(certExpired),
  crl_expired: ofReadable(crlExpired),
  cert_not_yet_valid: ofReadable(certNotYetValid),
  key_unusable: ofReadable(keyUnusable),
  probe_holds: ofReadable(probeHolds),
};

/** Faults of a set that are told also where they hold nothing. */
const FAULTS = [
  'certs_missing',
  'cert_unparsable',
  'cert_expired',
  'crl_expired',
  'cert_not_yet_valid',
] as const;

function ofReadable(judgement: (set: SetSituation) => Verdict | undefined) {
  return (view: Situation) =>
    view.files.kind === 'complete' ? judgement(setSituation(view, view.files)) : undefined;
}

/** Whether each set is judged by itself for this reason. */
export function isOfEach(reason: Reason, { files }: SetSituation): boolean {
  return files.sets !== undefined && OF_VIEW[reason] !== undefined;
}

/** The verdict on the first changed set that holds all of them for this reason. */
export function judgeEach(reason: Reason, situation: SetSituation): Verdict | undefined {
  for (const view of changedViews(situation)) {
    const verdict = OF_VIEW[reason]?.(view);
    if (verdict === undefined) continue;
    const name = view.set ?? '';
    return {
      ...verdict,
      sentence: `${name}: ${verdict.sentence}`,
      conditions: (verdict.conditions ?? []).map((condition) => ofNamed(condition, name)),
      pending: true,
    };
  }
  return undefined;
}

/** What holds of each set whatever the verdict, and of the configuration that names them. */
export function ofSets(situation: Situation): Condition[] {
  const { files } = situation;
  const conditions = (files.sets ?? []).flatMap((named) => {
    const view = viewOf(situation, named);
    const faults = FAULTS.flatMap((reason) => OF_VIEW[reason]?.(view)?.conditions ?? []);
    return [...ofSet(view), ...crlExpiring(view), ...ofProbe(view), ...ofPair(view), ...faults].map(
      (condition) => ofNamed(condition, named.name),
    );
  });
  return [...ofConf(situation), ...conditions];
}
