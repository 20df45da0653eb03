/** One thing that `check` has examined. */

import type { Level } from '../../core/status/assess.ts';

export interface Row {
  readonly name: string;
  /** undefined: nothing to judge */
  readonly level: Level | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
}
