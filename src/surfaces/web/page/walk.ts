/** The card of the last cycle: its walk through the state diagram. */

import type { Assessment, Level } from '../../../core/status/assess.ts';
import { REASON_WORDS } from '../../../core/status/reasons.ts';
import type { CycleStatus, Snapshot } from '../../../core/status/snapshot.ts';
import type { Countdown } from './countdown.ts';
import { diagram } from './diagram.ts';
import { html, type Markup } from './html.ts';
import { heading } from './parts.ts';
import { clock, sentenceCase } from './words.ts';

function verdictLevel(cycle: CycleStatus | undefined, level: Level): Level {
  if (cycle === undefined) return 'unknown';
  return REASON_WORDS[cycle.reason].isTrouble ? level : 'ok';
}

export function diagramCard(
  { cycle, restartingSinceMs }: Snapshot,
  { level }: Assessment,
  countTo: Countdown,
): Markup {
  const isRestarting = restartingSinceMs !== undefined;
  const path = cycle?.path ?? ['INITIALIZE'];
  // while the broker is being restarted the walk ends there, unless the files have changed in the meantime
  const restartAt = path.indexOf('RESTART_MOSQUITTO');
  const shown = isRestarting && restartAt >= 0 ? path.slice(0, restartAt + 1) : path;
  const picture = diagram({
    path: shown,
    note: cycle && REASON_WORDS[cycle.reason].note,
    count: countTo(cycle?.waitsUntilMs),
    isBusy: isRestarting || cycle?.reason === 'probe_pending',
  });
  return html`<section class="card diagram-card level-${verdictLevel(cycle, level)}" aria-labelledby="diagram">${heading('diagram', html`${cycle === undefined ? 'Before the first cycle' : `Last cycle at ${clock(cycle.at.wallMs)} UTC`}`, undefined)}
${cycle && html`<p>${sentenceCase(cycle.sentence)}.</p>`}
${picture}
</section>`;
}
