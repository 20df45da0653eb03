/** The update of a service of a swarm: requested once, carried out by the swarm itself. */

import type { Clock } from '../adapters/clock.ts';
import type { SwarmService } from '../adapters/engine/service.ts';
import type { Rollout } from './rollout.ts';

/** Requests the update. The following cycles look at its progress. */
export function createServiceUpdate(service: Pick<SwarmService, 'update'>, clock: Clock): Rollout {
  return async function* update({ set }) {
    const beganMs = clock.now().monoMs;
    const answer = await service.update(set.fingerprint);
    if (answer.ok) {
      yield { kind: 'update_accepted' };
    } else if (answer.cause === 'out_of_sequence') {
      yield { kind: 'lost_race' };
    } else {
      const answeredMonoMs = clock.now().monoMs;
      const tookMs = answeredMonoMs - beganMs;
      yield {
        kind: 'restart_ended',
        outcome: { kind: 'not_done', failure: answer, tookMs, answeredMonoMs },
      };
    }
  };
}
