/** The rows of `check` about a two-phase rotation. */

import type { CycleStatus, Snapshot } from '../../core/status/snapshot.ts';
import { timestamp } from '../../core/text/timestamp.ts';
import type { Row } from './row.ts';

/** The level of a row, if it concerns an incoming set that is not live. */
export function levelBesideLive({ name, level }: Row, { incoming, files }: CycleStatus): Pick<Row, 'level'> {
  const isBeside = incoming !== undefined && !incoming.isLive && files === 'complete';
  return { level: isBeside && OF_INCOMING.includes(name) && level === 'critical' ? 'warning' : level };
}

/** The set that the agent has written, if it is not live: as long as the live set lasts, a warning at most. */
export function incomingRows({ settings, cycle }: Snapshot): Row[] {
  const { incomingDir } = settings;
  const incoming = cycle?.incoming;
  if (incomingDir === undefined || incoming === undefined) return [];
  const name = 'incoming';
  if (incoming.isLive) return [{ name, level: 'ok', message: `the live set is in ${incomingDir}` }];
  const [client] = incoming.certificates;
  const dates = client && `, ${client.subject}, valid until ${timestamp(client.notAfterMs)}`;
  return [
    { name, level: undefined, message: `${incoming.files} in ${incomingDir}${dates ?? ''}` },
    ...incoming.complaints.map(({ file, problem, hint }): Row => {
      return { name, level: 'warning', message: `${file} ${problem}`, hint };
    }),
    { name, level: undefined, message: `is not live: ${incoming.waitsFor}` },
  ];
}

/** Rows about the incoming set, if another one is live: its own verdict determines how bad that is. */
const OF_INCOMING: readonly string[] = ['chain', 'upstream'];
