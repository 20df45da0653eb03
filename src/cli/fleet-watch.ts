/** `fleet --watch`: follows a fleet, on a terminal as a table, and anywhere else with a line for each change. */

import { systemClock } from '../adapters/clock.ts';
import type { KeptGateways } from '../adapters/fleet/kept-gateways.ts';
import {
  createFleetReader,
  type FleetEnd,
  type FleetOptions,
  type Reading,
} from '../adapters/fleet/reader.ts';
import { explainEnd, type FleetTrouble } from '../adapters/fleet/trouble.ts';
import { exitCodeOf } from '../core/status/exit-code.ts';
import { createFleetChanges, type GatewayChange } from '../core/status/fleet-changes.ts';
import { backoffMs } from '../core/text/backoff.ts';
import type { FleetView } from '../surfaces/terminal/fleet-report.ts';

/** What the watch shows itself on. */
export interface FleetDisplay {
  /** The whole, when it has been read for the first time, and whenever it may have changed since. */
  show(view: () => FleetView): void;
  /** Gateways that have changed. */
  tell(changes: readonly GatewayChange[]): void;
  /** The connection is lost, and will be made again. */
  lost(trouble: FleetTrouble): void;
  close(): void;
}

export interface WatchParts {
  readonly options: FleetOptions;
  readonly kept: KeptGateways;
  readonly display: FleetDisplay;
  readonly viewOf: (seen: Seen) => FleetView;
}

export interface Seen {
  readonly trouble: FleetTrouble | undefined;
  readonly reading: Reading | undefined;
}

/** Without a message, a gateway changes by its silence, and by the age of its certificate. */
const SWEEP_MS = 10_000;

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Follows the fleet until `stop`, and connects again whenever the connection is lost. Resolves with the exit code: 0, or
 * 3 if already the first connection failed; then that is shown.
 */
export async function watchFleet(parts: WatchParts, stop: AbortSignal): Promise<number> {
  const { options, kept, display, viewOf } = parts;
  const changes = createFleetChanges(kept);
  let seen: Seen = { trouble: undefined, reading: undefined };
  let failures = 0;
  const show = () => display.show(() => viewOf(seen));

  function tell(found: readonly GatewayChange[]) {
    if (found.length > 0) display.tell(found);
    show();
  }

  /** One connection, from its first reading to its end. */
  async function follow(): Promise<FleetEnd | undefined> {
    const reader = createFleetReader(options, kept, (topic) => {
      if (seen.reading !== undefined) tell(changes.of(topic, Date.now()));
    });
    try {
      const read = await unlessStopped(reader.read(), stop);
      if (read?.ok !== true) return read?.end;
      failures = 0;
      // what is there at the first reading is shown as a whole
      const found = changes.sweep(Date.now());
      const isFirst = seen.reading === undefined;
      seen = { trouble: undefined, reading: read.reading };
      tell(isFirst ? [] : found);
      return await unlessStopped(reader.ended(), stop);
    } finally {
      await reader.close();
    }
  }

  async function sweep() {
    while (!stop.aborted) {
      await systemClock.sleep(SWEEP_MS, stop);
      if (!stop.aborted && seen.reading !== undefined) tell(changes.sweep(Date.now()));
    }
  }

  void sweep();
  try {
    while (!stop.aborted) {
      const end = await follow();
      if (end === undefined) break;
      const trouble = explainEnd(end, options.url, options.topic);
      const isFirst = seen.reading === undefined;
      seen = { ...seen, trouble };
      show();
      if (isFirst) return exitCodeOf('unknown');
      display.lost(trouble);
      failures += 1;
      await systemClock.sleep(backoffMs(failures, FIRST_PAUSE_MS, LONGEST_PAUSE_MS), stop);
    }
  } finally {
    display.close();
  }
  return 0;
}

function unlessStopped<T>(promise: Promise<T>, stop: AbortSignal): Promise<T | undefined> {
  if (stop.aborted) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const end = () => resolve(undefined);
    stop.addEventListener('abort', end, { once: true });
    promise.then(resolve, reject).finally(() => stop.removeEventListener('abort', end));
  });
}
