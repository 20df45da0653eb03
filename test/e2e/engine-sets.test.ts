/** MOSQUITTO_CONF on the real engine: two listeners, and two bridges to two upstreams with different CAs. */

import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import type { Issued } from '../../lab/certificates.ts';
import { PROGRAM } from '../../lab/daemon.ts';
import { until } from '../../lab/until.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { runProbe } from '../support/run-probe.ts';
import { house, severalSets } from '../support/several-sets.ts';
import { nothingFollows, test } from '../support/stage.ts';

const sets = (
  lines: readonly { readonly event: string; readonly details: Record<string, unknown> }[],
  event: string,
) => lines.filter((line) => line.event === event).map(({ details }) => details['set']);

describeWith(ENGINE, 'every set of a broker', () => {
  test('is found in its configuration, probed by itself and told under its name', async ({ stage }) => {
    const { environment, ports } = await severalSets(stage);
    const daemon = stage.daemon(environment);
    await daemon.says('broker_already_current');
    await daemon.says('tls_probe_success', { skip: 1 });
    expect(sets(daemon.lines, 'cert_parsed').toSorted()).toEqual(
      ['bridge cloud', 'bridge plant', `listener ${ports.mqtts}`, `listener ${ports.extra}`].toSorted(),
    );
    expect(sets(daemon.lines, 'tls_probe_success').toSorted()).toEqual(['bridge cloud', 'bridge plant']);
  });

  test('is applied together with the others, by one restart for all that were renewed', async ({ stage }) => {
    const { environment, broker, renew, presented, first } = await severalSets(stage);
    const daemon = stage.daemon(environment);
    await daemon.says('broker_already_current');
    const [mqtts] = [await renew('mqtts'), await renew('cloud'), await renew('plant')];
    await daemon.says('restart_completed');
    await until('the listener to present it', async () => (await presented('mqtts')) === mqtts);
    expect(await presented('extra')).toBe(first.extra);
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
    await renew('extra');
    await daemon.says('restart_completed', { skip: 1 });
    await nothingFollows();
    expect(broker.restarts()).toBe(2);
  });

  test('holds the restart of all where its upstream refuses it, and is named', async ({ stage }) => {
    const { environment, broker, renew } = await severalSets(stage);
    const daemon = stage.daemon(environment);
    await daemon.says('broker_already_current');
    await Promise.all([renew('plant', house), renew('cloud')]);
    const { details } = await daemon.says('restart_held');
    expect(details).toMatchObject({ set: 'bridge plant', cause: 'client_cert_rejected' });
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    await renew('plant');
    await daemon.says('restart_completed');
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
  });

  test('keeps being watched while the configuration cannot be read, which restarts nothing', async ({
    stage,
  }) => {
    const { environment, broker, renew, configure } = await severalSets(stage);
    const daemon = stage.daemon(environment);
    await daemon.says('broker_already_current');
    await configure(['connection third', 'bridge_insecure perhaps']);
    const { details } = await daemon.says('conf_unreadable');
    expect(details).toMatchObject({ line: 24, error: 'has bridge_insecure without true or false' });
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    await configure(['# repaired']);
    await renew('mqtts');
    await daemon.says('restart_completed');
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
  });

  test('has its revocation list, which a restart brings: one that has ended holds it', async ({ stage }) => {
    const { environment, broker, write, ports } = await severalSets(stage, {
      ofExtra: ['cafile /certs/house/ca.crt', 'require_certificate true', 'crlfile /certs/house/list.crl'],
    });
    const [known, revoked] = [await house.issue({ cn: 'known' }), await house.issue({ cn: 'revoked' })];
    const accepts = async ({ chainPem, keyPem }: Issued) => {
      const set = { ca: house.certPem, cert: chainPem, key: keyPem };
      return (await runProbe(set, { port: ports.extra, serverName: '127.0.0.1', mode: 'mqtt' })).ok;
    };
    const daemon = stage.daemon(environment);
    await daemon.says('broker_already_current');
    expect([await accepts(known), await accepts(revoked)]).toEqual([true, true]);
    const ago = (ms: number) => new Date(Date.now() - ms);
    await write('house', {
      'list.crl': await house.crl([revoked], { thisUpdate: ago(9_000), nextUpdate: ago(1_000) }),
    });
    const { details } = await daemon.says('crl_expired');
    expect(details['set']).toBe(`listener ${ports.extra}`);
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    await write('house', { 'list.crl': await house.crl([revoked]) });
    await daemon.says('restart_completed');
    expect([await accepts(known), await accepts(revoked), broker.restarts()]).toEqual([true, false, 1]);
  });

  test('has its rows in check, and what makes proof impossible', async ({ stage }) => {
    const { environment, configure, ports } = await severalSets(stage);
    await configure(['notifications false']);
    let stdout = '';
    const isWell = () => {
      const ran = spawnSync(PROGRAM.node, [PROGRAM.main, 'check', '--json'], {
        encoding: 'utf8',
        env: environment,
      });
      stdout = ran.stdout;
      return ran.status === 0;
    };
    await until('the broker and its upstreams to be well', isWell, { otherwise: () => stdout });
    const { check } = JSON.parse(stdout);
    const names = new Set(check.rows.map(({ name }: { name: string }) => name));
    expect([...names]).toEqual(
      expect.arrayContaining([
        'configuration',
        'bridge cloud',
        'bridge plant',
        `listener ${ports.mqtts}`,
        `listener ${ports.extra}`,
      ]),
    );
    expect(check.rows).toContainEqual(
      expect.objectContaining({
        name: 'configuration',
        message: expect.stringMatching(/^bridge plant has "notifications false"/),
      }),
    );
  });
});
