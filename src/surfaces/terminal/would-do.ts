/** What the daemon would do now, in a word. */

import type { Step } from '../../core/model/step.ts';
import type { Snapshot } from '../../core/status/snapshot.ts';
import { timestamp } from '../../core/text/timestamp.ts';
import type { Row } from './row.ts';

export type WouldDo = 'restart' | 'promote' | 'roll_back' | 'wait' | 'nothing';

/** A promotion is followed by the restart. */
export function wouldDo(steps: readonly Step[], { cycle }: Snapshot): WouldDo {
  for (const kind of ['roll_back', 'promote', 'restart'] as const) {
    if (steps.some((step) => step.kind === kind)) return kind;
  }
  return cycle?.pending === true ? 'wait' : 'nothing';
}

/** The same as a row, with the reason. */
export function daemonRow(steps: readonly Step[], snapshot: Snapshot): Row {
  const { waitsUntilMs, sentence = '' } = snapshot.cycle ?? {};
  const words: Readonly<Record<WouldDo, string>> = {
    restart: 'would restart the broker now',
    promote: 'would promote the incoming set and restart the broker now',
    roll_back: 'would roll back to the previous set now',
    wait: waitsUntilMs === undefined ? 'would wait' : `would wait until ${timestamp(waitsUntilMs)}`,
    nothing: 'would do nothing',
  };
  return { name: 'daemon', level: undefined, message: `${words[wouldDo(steps, snapshot)]}: ${sentence}` };
}
