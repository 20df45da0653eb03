/** The answer to an operator who asks for a restart (SIGUSR1). */

import type { WaiveStep } from '../model/step.ts';
import type { Situation } from '../situation.ts';
import type { Reason } from './diagram.ts';
import type { Judged } from './judge.ts';

/** Waits that the operator's request ends. */
const WAIVED: readonly Reason[] = ['outside_window', 'restart_splayed'];

/** Undefined if nobody has asked, or if the files are being written at this moment: then the next look answers. */
export function waiveDue({ site, files }: Situation, judged: Judged): WaiveStep | undefined {
  if (!site.requests.restart || judged.transient === true) return undefined;
  const isWaiting = judged.pending === true && files.kind === 'complete';
  return {
    kind: 'waive',
    fingerprint: isWaiting ? files.fingerprint : undefined,
    reason: judged.reason,
    sentence: isWaiting && WAIVED.includes(judged.reason) ? undefined : judged.sentence,
  };
}
