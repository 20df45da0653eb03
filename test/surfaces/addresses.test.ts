import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { snapshotOf } from '../../lab/situations.ts';
import { createWorld } from '../../lab/world.ts';
import { examinationTable } from '../../src/surfaces/terminal/check-report.ts';
import { statusPage } from '../../src/surfaces/web/page/page.ts';
import { statusJson } from '../../src/surfaces/web/status-json.ts';

const UPSTREAM = '[2001:db8::7]:8883';

async function probed() {
  const world = createWorld({ settings: { upstream: { host: '2001:db8::7', port: 8_883 } } });
  world.write('a1b2c3d4e5f60718293a4b5c6d7e8f90');
  world.startWatcher();
  await world.advance(60_000);
  return { world, snapshot: snapshotOf(world), now: fix.at(60_000) };
}

describe('an upstream with an IPv6 address stands in brackets', () => {
  it('in the log', async () => {
    const { world } = await probed();
    expect(world.events('tls_probe_success')[0]?.details).toMatchObject({ upstream: UPSTREAM });
  });

  it('in status.json', async () => {
    const { snapshot, now } = await probed();
    expect(JSON.parse(statusJson(snapshot, '1.2.3', now)).upstream.address).toBe(UPSTREAM);
  });

  it('on the status page', async () => {
    const { snapshot, now } = await probed();
    expect(statusPage(snapshot, '1.2.3', now)).toContain(UPSTREAM);
  });

  it('in the table of check', async () => {
    const { snapshot, now } = await probed();
    const unknown = { kind: 'unknown', problem: 'no engine' } as const;
    const examination = {
      snapshot,
      now,
      steps: [],
      access: unknown,
      needed: [],
      chain: undefined,
      pageRows: [],
      isRoot: true,
      watchers: [],
    };
    expect(examinationTable(examination, false)).toContain(UPSTREAM);
  });
});
