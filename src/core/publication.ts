/** What the loop tells the surfaces: one value a cycle, and one for each thing that is done. */

import type { Saying } from './announce.ts';
import type { RestartOutcome } from './broker.ts';
import type { Decision } from './decide.ts';
import type { Announcement } from './events.ts';
import type { View } from './facts.ts';
import type { ProbeVerdict } from './probe.ts';

/** Something that was done, as a value to count and to draw. */
export type Deed =
  | { readonly kind: 'restart_asked' }
  | { readonly kind: 'restart_ended'; readonly container: string; readonly outcome: RestartOutcome }
  | { readonly kind: 'reload_ended'; readonly container: string; readonly proven: boolean }
  | { readonly kind: 'probe_ended'; readonly verdict: ProbeVerdict };

/** A decision, the broker that it is about, and all brokers with it among them. */
export interface CycleReport {
  readonly view: View;
  readonly decision: Decision;
  readonly brokers: readonly View[];
}

/** What one cycle, or one deed in it, gives the surfaces to show. */
export interface Publication {
  readonly wallMs: number;
  readonly say: readonly (Saying | Announcement)[];
  /** present once a cycle, with what it rests on */
  readonly cycle?: CycleReport;
  readonly deed?: Deed;
}
