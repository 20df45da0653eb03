/** Searches for other watchers: among the processes of this machine and the containers of the engine. */

import { createWatcherSearch } from '../adapters/engine/watchers.ts';
import { findWatcherProcesses } from '../adapters/watcher-processes.ts';
import type { Settings } from '../core/model/settings.ts';
import type { FindWatchers } from '../watcher/looking-around.ts';

/** A watcher in a container may be seen both ways: if this one is in a container too, they compare as containers. */
export function createFindWatchers(
  settings: Settings,
  script: string | undefined,
  byDefault: string,
): FindWatchers {
  // a watcher of a unit has no engine that it could ask
  const findContainers: ReturnType<typeof createWatcherSearch> =
    settings.target.kind === 'unit'
      ? async () => ({ own: undefined, others: [] })
      : createWatcherSearch(settings.engine, byDefault);
  return async (signal) => {
    const [processes, containers] = await Promise.all([
      findWatcherProcesses({ script, byDefault }),
      findContainers(signal),
    ]);
    const targets = new Map(containers.others.map(({ place, target }) => [place.id, target]));
    const seenProcesses = processes.others.map((each) => ({
      ...each,
      // the engine may reveal about a container what this user may not see of its process
      target: each.target ?? targets.get(each.containerId ?? ''),
    }));
    const listed = containers.others.map(({ place }) => place.id);
    const inContainers = processes.others.map(({ containerId }) => containerId);
    const isSeenTwice = (id: string | undefined, ids: readonly (string | undefined)[]) =>
      id !== undefined && ids.includes(id);
    return containers.own === undefined
      ? {
          own: { process: processes.own, container: undefined },
          others: [
            ...seenProcesses,
            ...containers.others.filter(({ place }) => !isSeenTwice(place.id, inContainers)),
          ],
        }
      : {
          own: { process: processes.own, container: containers.own },
          others: [
            ...seenProcesses.filter(({ containerId }) => !isSeenTwice(containerId, listed)),
            ...containers.others,
          ],
        };
  };
}
