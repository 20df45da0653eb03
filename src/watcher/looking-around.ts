/** The search for other watchers of the same broker, concurrent with the loop. */

import type { Clock } from '../adapters/clock.ts';
import * as memories from '../core/memory/site.ts';
import type { WatchersSeen } from '../core/model/rivals.ts';
import type { LookAroundStep } from '../core/model/step.ts';
import type { State } from './state.ts';

/** One search. It never rejects, and finds no watcher if none can be seen. */
export type FindWatchers = (signal: AbortSignal) => Promise<WatchersSeen>;

export interface Scout {
  /** Starts a search, which takes as long as it needs. */
  lookAround(step: LookAroundStep): void;
  /** Ends the search that is in progress. */
  close(): void;
}

export interface ScoutParts {
  readonly clock: Clock;
  /** undefined: no search is made */
  readonly findWatchers: FindWatchers | undefined;
}

/** `onFound` is called when a search has ended. */
export function createScout({ clock, findWatchers }: ScoutParts, state: State, onFound: () => void): Scout {
  let looking: AbortController | undefined;
  return {
    lookAround({ identity }) {
      if (findWatchers === undefined) return;
      const abort = new AbortController();
      looking = abort;
      state.rememberSite((site) => memories.rememberWatchersLook(site, identity));
      const end = (seen: WatchersSeen | undefined) => {
        const now = clock.now();
        state.rememberSite((site) => memories.rememberWatchers(site, seen, now));
        onFound();
      };
      // after any error, no watcher has been seen
      findWatchers(abort.signal).then(end, () => end(undefined));
    },
    close() {
      looking?.abort();
    },
  };
}
