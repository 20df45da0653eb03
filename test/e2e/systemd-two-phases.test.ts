/**
 * The unit as it is shipped, installed by hand, with the two directories of the example in its settings, Debian's
 * Mosquitto and an upstream that demands client certificates: what its sandbox lets the watcher do. All that an
 * administrator does here is taken from the remarks in what is shipped. The tests are one story, told in order on one
 * machine.
 */

import { X509Certificate } from 'node:crypto';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import type { CertificateFiles } from '../../lab/cert-directory.ts';
import { createEngineApi } from '../../lab/engine-api.ts';
import { bootSystemd, type SystemdMachine } from '../../lab/systemd.ts';
import { quietly, until } from '../../lab/until.ts';
import { authority, setOf, stranger } from '../support/demanding-upstream.ts';
import { all, engineSocketPath, SYSTEMD, skipped } from '../support/needs.ts';
import { REPOSITORY, SHIPPING, ship } from '../support/shipping.ts';
import { handInstructions, twoPhases } from '../support/unit-remarks.ts';

const UNIT = 'mosquitto-cert-watcher';
const SETTINGS = `/etc/default/${UNIT}`;
const BROKER = 'mosquitto.service';
const [INCOMING, LIVE] = ['/etc/mosquitto/certs', '/etc/mosquitto/live'];

/** Of the test alone: where the upstream is, and what is waited for is short, but for what a busy systemd may take. */
const OWN_SETTINGS = `UPSTREAM_ADDR=127.0.0.1:8883
BROKER_URL=mqtt://127.0.0.1:1883
STABILITY_WINDOW=500ms
CHECK_INTERVAL=200ms
TLS_PROBE_INTERVAL=1s
RESTART_COOLDOWN=1s
RESTART_VERIFY_TIMEOUT=20s
`;

/** Cooldown, window, a probe and several check intervals of these. */
const ANOTHER_RESTART_MS = 3_500;

const BRIDGE = `connection upstream
remote_clientid edge
address 127.0.0.1:8883
topic # out 0
restart_timeout 1 1
bridge_cafile ${LIVE}/ca.crt
bridge_certfile ${LIVE}/client.crt
bridge_keyfile ${LIVE}/client.key
`;

const UPSTREAM = `user root
listener 8883 127.0.0.1
cafile /srv/upstream/ca.crt
certfile /srv/upstream/server.crt
keyfile /srv/upstream/server.key
require_certificate true
use_identity_as_username true
`;

const need = all(SHIPPING, SYSTEMD);

describe.skipIf(!need.ok)(`the unit with two directories${skipped(need)}`, () => {
  let machine: SystemdMachine;

  beforeAll(async () => {
    await ship('build');
    const shipped = ['deploy', 'dist'].map((name) => `${REPOSITORY}/${name}:/shipped/${name}:ro`);
    const binds = [...shipped, `${dirname(process.execPath)}:/ordinary:ro`];
    machine = await bootSystemd(createEngineApi(engineSocketPath()), { binds });
    await startUpstream();
    await machine.write('/etc/mosquitto/conf.d/bridge.conf', BRIDGE);
  }, 400_000);
  afterAll(() => machine?.remove());

  async function startUpstream() {
    const identity = await authority.issue({ cn: 'upstream', sans: ['127.0.0.1'], key: 'rsa-2048' });
    await machine.write('/srv/upstream/ca.crt', authority.certPem);
    await machine.write('/srv/upstream/server.crt', identity.chainPem);
    await machine.write('/srv/upstream/server.key', identity.keyPem);
    await machine.write('/srv/upstream/mosquitto.conf', UPSTREAM);
    await machine.sh('systemd-run --unit=upstream mosquitto -v -c /srv/upstream/mosquitto.conf');
  }

  const property = async (name: string, unit = UNIT) =>
    (await machine.sh(`systemctl show --property=${name} --value ${unit}`)).trim();
  const said = async (event: string) =>
    (await machine.journal(`${UNIT}.service`)).filter(({ message }) => message.includes(`"event":"${event}"`))
      .length;
  const says = (event: string, times = 1) =>
    until(`${event} in the journal`, async () => (await said(event)) >= times, {
      withinMs: 40_000,
      everyMs: 200,
    });
  const nothingFollows = () => quietly(ANOTHER_RESTART_MS, 'another restart would have come by now');

  /** The agent's part: each file is replaced as a whole, and the key is for its group alone. */
  async function deliver({ ca, cert, key }: CertificateFiles) {
    for (const [name, text] of Object.entries({ 'ca.crt': ca, 'client.crt': cert, 'client.key': key })) {
      const file = `${INCOMING}/${name}`;
      const script = `cat >${file}.new; chgrp mosquitto ${file}.new; chmod 640 ${file}.new; mv ${file}.new ${file}`;
      await machine.sh(script, { input: text });
    }
  }

  /** Everything in the live directory: paths, owners, modes, where links lead, contents. */
  const live = () =>
    machine.sh(
      `cd ${LIVE}; find . -not -name ..lock -printf '%p %u:%g %m %l\\n' | sort; sha256sum -- *.crt *.key`,
    );

  /** The certificates with which the bridge has connected to the upstream, by the upstream's own log. */
  async function bridgedAs(): Promise<readonly string[]> {
    const journal = await machine.journal('upstream.service');
    return journal.flatMap(({ message }) => {
      const [, name] = /New (?:client|bridge) connected from .* as edge \(.*u'([^']+)'\)/.exec(message) ?? [];
      return name === undefined ? [] : [name];
    });
  }

  const nameOf = ({ cert }: CertificateFiles) => new X509Certificate(cert).subject.replace('CN=', '');

  function told() {
    onTestFailed(async () => {
      const journal = await machine.sh(`journalctl -o cat -u ${UNIT} -u mosquitto -n 60; ls -la ${LIVE}`);
      process.stderr.write(`${journal}\n`);
    });
  }

  test('runs once the commands in its remarks have installed it, and systemd finds no fault in it', async () => {
    told();
    const unit = await machine.sh(`cat /shipped/deploy/${UNIT}.service`);
    const [install = '', start] = handInstructions(unit).split(/(?=^systemctl enable)/m);
    await machine.sh(`cd /shipped\n${install}`);
    expect(await machine.run(['systemd-analyze', 'verify', '--man=no', `${UNIT}.service`])).toMatchObject({
      code: 0,
      stderr: '',
    });
    await machine.sh(`cat >>${SETTINGS}; ${start}`, { input: OWN_SETTINGS });
    expect(await property('ActiveState')).toBe('active');
  });

  test('promotes the first set once the example is followed: the broker may read it, nobody else, and is restarted once', async () => {
    told();
    const settings = await machine.sh(`cat ${SETTINGS}`);
    const example = twoPhases(settings, await machine.sh(`cat /etc/systemd/system/${UNIT}.service`));
    await machine.sh(example.commands);
    await machine.write(
      SETTINGS,
      example.settings.reduce((text, line) => text.replace(`#${line}\n`, `${line}\n`), settings),
    );
    await machine.write(
      `/etc/systemd/system/${UNIT}.service.d/override.conf`,
      ['[Service]', ...example.service, ''].join('\n'),
    );
    await machine.sh(`systemctl daemon-reload; systemctl restart ${BROKER}; systemctl restart ${UNIT}`);
    const before = await machine.starts(BROKER);
    const first = await setOf(authority);
    await deliver(first);
    await says('restart_completed');
    await until('the bridge', async () => (await bridgedAs()).includes(nameOf(first)), { everyMs: 200 });
    await nothingFollows();
    expect(await machine.sh(`stat -L -c '%U:%G %a' ${LIVE}/client.key`)).toBe(`${UNIT}:mosquitto 640\n`);
    expect(await machine.sh(`cat ${LIVE}/client.key`, { user: 'mosquitto' })).toBe(first.key);
    expect((await machine.run(['cat', `${LIVE}/client.key`], { user: 'nobody' })).code).not.toBe(0);
    expect([await said('set_promoted'), await machine.starts(BROKER)]).toEqual([1, before + 1]);
  });

  test('promotes a renewed set, with one restart, and the bridge comes up with it', async () => {
    told();
    const before = await machine.starts(BROKER);
    const renewed = await setOf(authority);
    await deliver(renewed);
    await says('set_promoted', 2);
    await says('restart_completed', 2);
    await until('the bridge', async () => (await bridgedAs()).at(-1) === nameOf(renewed), { everyMs: 200 });
    await nothingFollows();
    expect(await machine.sh(`cat ${LIVE}/client.crt`)).toBe(renewed.cert);
    expect([await said('set_promoted'), await machine.starts(BROKER)]).toEqual([2, before + 1]);
  });

  test('leaves the live directory and the broker as they are for a set that the upstream refuses', async () => {
    told();
    const [before, starts] = [await live(), await machine.starts(BROKER)];
    await deliver(await setOf(stranger));
    await says('restart_held');
    await nothingFollows();
    expect(await live()).toBe(before);
    expect([await said('set_promoted'), await machine.starts(BROKER)]).toEqual([2, starts]);
  });

  test('goes back to the set before where the broker does not come up with the new one, and starts it', async () => {
    told();
    const before = await machine.sh(`cat ${LIVE}/client.key`);
    await machine.sh(`cp -L ${LIVE}/client.crt /srv/only.crt`);
    await machine.write(
      `/etc/systemd/system/${BROKER}.d/test.conf`,
      `[Service]\nExecStartPre=/usr/bin/cmp --silent ${LIVE}/client.crt /srv/only.crt\n`,
    );
    await machine.sh('systemctl daemon-reload');
    const starts = await machine.starts(BROKER);
    await deliver(await setOf(authority));
    await says('set_rolled_back');
    await says('restart_completed', 3);
    await nothingFollows();
    expect(await machine.sh(`cat ${LIVE}/client.key`, { user: 'mosquitto' })).toBe(before);
    expect(await property('ActiveState', BROKER)).toBe('active');
    expect([await said('set_rolled_back'), await machine.starts(BROKER)]).toEqual([1, starts + 1]);
  });

  test('has been hindered by nothing in its sandbox', async () => {
    const journal = await machine.journal(`${UNIT}.service`);
    const troubles = journal.filter(({ message }) =>
      /"event":"(promotion_failed|restart_failed|watch_degraded)"/.test(message),
    );
    // what was said, and not only how often, is shown where there is any
    expect(troubles.map(({ message }) => message)).toEqual([]);
    expect(await property('NRestarts')).toBe('0');
  });

  test('sees a file system in which it may write to the live directory, and not beside it', async () => {
    const pid = await property('MainPID');
    const writable = async (path: string) =>
      (await machine.run(['nsenter', '--mount', `--target=${pid}`, 'test', '-w', path])).code === 0;
    expect(await writable(LIVE)).toBe(true);
    expect(await Promise.all([INCOMING, '/etc/mosquitto', '/usr/bin', '/srv'].map(writable))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  test('forbids memory that is written and executed, without which an ordinary Node.js does not run', async () => {
    expect(await property('MemoryDenyWriteExecute')).toBe('yes');
    const script = 'const f = (n) => (n < 2 ? n : f(n - 1) + f(n - 2)); f(27)';
    const ordinary = (...properties: readonly string[]) =>
      machine.run(['systemd-run', '--quiet', '--wait', ...properties, '/ordinary/node', '-e', script]);
    expect((await ordinary()).code).toBe(0);
    expect((await ordinary('--property=MemoryDenyWriteExecute=yes')).code).not.toBe(0);
    expect(await property('ActiveState')).toBe('active');
  });
});
