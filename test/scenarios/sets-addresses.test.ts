/** A bridge with several addresses: one that works is enough, and what the others say is in the line. */

import { expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld } from '../../lab/world.ts';
import { type ProbeVerdict, verdictAt } from '../../src/core/model/probe.ts';

const DOWN = fix.probeFailure({ cause: 'tcp', phase: 'tcp', error: 'connect ECONNREFUSED' });
const REFUSED = fix.probeFailure();

/** The lines about a renewed set of a bridge whose addresses say this. */
async function toldOf(...verdicts: readonly ProbeVerdict[]) {
  const world = createWorld({
    settings: { mosquittoConf: '/mosquitto/mosquitto.conf', upstream: undefined },
  });
  const verdict = verdictAt(verdicts.map((each, index) => ({ upstream: `u${index}:8883`, verdict: each })));
  world.verdict = () => ({ ...fix.probeSuccess(), sets: { 'bridge cloud': verdict ?? DOWN } });
  world.put(fix.several([fix.named('bridge cloud', fix.set('cloud 1', -7_200_000))]));
  world.startWatcher();
  await world.advance(600_000);
  const lines = world.events('tls_probe_success', 'tls_probe_failure');
  return lines.map(({ event, details }) => [event, details['failed_addresses']]);
}

it('names those that failed, and why, in the line about the failure', async () => {
  expect(await toldOf(DOWN, REFUSED)).toEqual([
    [
      'tls_probe_failure',
      ['u0:8883: tcp, connect ECONNREFUSED', `u1:8883: client_cert_rejected, ${REFUSED.error}`],
    ],
  ]);
});

it('names them in the line about the success too', async () => {
  expect(await toldOf(DOWN, fix.probeSuccess())).toEqual([
    ['tls_probe_success', ['u0:8883: tcp, connect ECONNREFUSED']],
  ]);
});

it('says nothing of that where none failed, or there is one address', async () => {
  expect(await toldOf(fix.probeSuccess(), fix.probeSuccess())).toEqual([['tls_probe_success', undefined]]);
  expect(await toldOf(DOWN)).toEqual([['tls_probe_failure', undefined]]);
});
