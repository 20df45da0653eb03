/** What the surfaces would show of a simulated gateway. */

import type { World } from '../../lab/world.ts';
import { type Assessment, assess } from '../../src/core/status/assess.ts';

/** How things stand after the last cycle. */
export function assessmentOf(world: World): Assessment {
  const last = world.publications.findLast(({ cycle }) => cycle !== undefined)?.cycle;
  if (last === undefined) throw new Error('there was no cycle');
  return assess(last.decision, last.situations);
}
