/** The row of `check` about the upstream, as the probe found it. */

import { probeSentence } from '../../core/model/probe.ts';
import { probeLevel } from '../../core/status/assess.ts';
import type { Snapshot } from '../../core/status/snapshot.ts';
import { hostPort } from '../../core/text/address.ts';
import { formatDuration } from '../../core/text/duration.ts';
import type { Row } from './row.ts';

/** What the upstream says of the set, or why it was not asked. */
export function upstreamRow({ settings, lastProbe }: Snapshot): Row {
  const name = 'upstream';
  const { upstream } = settings;
  if (settings.certRole === 'listener')
    return { name, level: undefined, message: 'none: the set is that of a listener (CERT_ROLE=listener)' };
  const address = upstream && hostPort(upstream);
  if (!settings.probeEnabled)
    return { name, level: undefined, message: 'not asked: ENABLE_TLS_PROBE is false' };
  if (lastProbe === undefined) return { name, level: undefined, message: `${address} was not asked` };
  const { verdict } = lastProbe;
  if (verdict.ok) {
    const word = verdict.proof === 'connack' ? 'let us log in' : 'raised no objection';
    const took = `${verdict.protocol ?? 'TLS'}, ${formatDuration(verdict.durationMs)}`;
    return { name, level: 'ok', message: `${address} ${word} (${took})` };
  }
  const message = `${probeSentence(verdict)}: ${verdict.cause}, ${verdict.error}`;
  return { name, level: probeLevel(verdict), message, hint: verdict.hint };
}
