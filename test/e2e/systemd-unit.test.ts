/** MOSQUITTO_UNIT on a real systemd with Debian's Mosquitto: what systemd did is counted by its own journal. */

import { writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { createCertDirectory } from '../../lab/cert-directory.ts';
import { daysFromNow } from '../../lab/certificates.ts';
import type { Daemon } from '../../lab/daemon.ts';
import { until } from '../../lab/until.ts';
import { describeWith, SYSTEMD } from '../support/needs.ts';
import { forServers } from '../support/signalled.ts';
import { makeSet, nothingFollows, settled } from '../support/stage.ts';
import { test, type UnitStage, withMachine } from '../support/unit-stage.ts';

withMachine();

/** A unit that runs with the present set, and a watcher that knows it. */
async function watched(stage: UnitStage, settings: Record<string, string> = {}) {
  await stage.certs.install(await makeSet());
  await stage.systemctl('start');
  const daemon = stage.watch(settings);
  await daemon.says('broker_already_current');
  return { daemon, rotate: async () => stage.certs.install(await makeSet()) };
}

/** Holds each start of the unit before its broker is started, until what is returned is called. */
async function holdStarts(stage: UnitStage): Promise<() => Promise<void>> {
  const gate = `${stage.directory}/gate`;
  await stage.configure({ ExecStartPre: `/bin/sh -c 'until test -e ${gate}; do sleep 0.1; done'` });
  return () => writeFile(gate, '');
}

const isHeld = (stage: UnitStage) =>
  until('it to be starting', async () => (await stage.show('SubState')) === 'start-pre');

describeWith(SYSTEMD, 'acceptance criteria, with a unit of systemd', () => {
  test('mosquitto runs normally with no certs: it is left alone', async ({ stage }) => {
    await stage.systemctl('start');
    const daemon = stage.watch();
    await daemon.says('cert_missing');
    await nothingFollows();
    expect(await stage.starts()).toBe(1);
    expect(await stage.show('ActiveState')).toBe('active');
  });

  test('certs appear: a single restart occurs', async ({ stage }) => {
    await stage.systemctl('start');
    const daemon = stage.watch();
    await daemon.says('cert_missing');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(await stage.starts()).toBe(2);
  });

  test('cert rotation: a single restart occurs', async ({ stage }) => {
    const { daemon, rotate } = await watched(stage);
    await rotate();
    await settled(daemon);
    expect(await stage.starts()).toBe(2);
  });

  test('expired cert: no restart and a clear error', async ({ stage }) => {
    const { daemon } = await watched(stage);
    await stage.certs.install(await makeSet({ notBefore: daysFromNow(-30), notAfter: daysFromNow(-1) }));
    await daemon.says('cert_expired');
    await nothingFollows();
    expect(await stage.starts()).toBe(1);
  });
});

describeWith(SYSTEMD, 'a unit that does not run', () => {
  test('because somebody has stopped it is left alone, and has the set when it is started', async ({
    stage,
  }) => {
    const { daemon, rotate } = await watched(stage);
    await stage.systemctl('stop');
    await rotate();
    const { details } = await daemon.says('broker_not_running');
    await nothingFollows();
    expect(details).toMatchObject({ container: stage.unit, status: 'inactive (dead)' });
    expect(await stage.starts()).toBe(1);
    await stage.systemctl('start');
    await daemon.says('broker_already_current', { skip: 1 });
    expect(await stage.starts()).toBe(2);
  });

  test('because it has failed is started for a rotation', async ({ stage }) => {
    await stage.configure({ Restart: 'no' });
    const { daemon, rotate } = await watched(stage);
    await stage.machine.sh(`systemctl kill --signal=SEGV ${stage.unit}`);
    await until('the unit to have failed', async () => (await stage.show('ActiveState')) === 'failed');
    await rotate();
    await settled(daemon);
    expect(await stage.starts()).toBe(2);
  });

  test('because it was started too often is started for a rotation', async ({ stage }) => {
    const { daemon, rotate } = await watched(stage);
    // a reload for another test forgets the starts before it
    await stage.machine.run(['sh', '-c', `while systemctl restart ${stage.unit}; do :; done`]);
    expect(await stage.show('Result')).toBe('start-limit-hit');
    const before = await stage.starts();
    await rotate();
    await settled(daemon);
    expect(await stage.starts()).toBe(before + 1);
  });

  test('yet, because systemd is starting it, is left to systemd', async ({ stage }) => {
    const { daemon, rotate } = await watched(stage);
    await stage.systemctl('stop');
    const release = await holdStarts(stage);
    await stage.systemctl('start --no-block');
    await rotate();
    const { details } = await daemon.says('broker_not_running');
    expect(details['message']).toContain('is being started');
    await release();
    await daemon.says('broker_already_current', { skip: 1 });
    await nothingFollows();
    expect(daemon.count('mosquitto_restart_triggered')).toBe(0);
  });

  test('because it is masked is left alone, with the way out', async ({ stage }) => {
    const { daemon, rotate } = await watched(stage);
    await stage.systemctl('stop');
    await stage.machine.sh(`rm /etc/systemd/system/${stage.unit}`);
    await stage.systemctl('mask');
    await rotate();
    const { details } = await daemon.says('broker_not_running');
    expect(details).toMatchObject({ status: 'masked', hint: expect.stringContaining('systemctl unmask') });
  });

  test('because there is no such unit is told once, and waited for', async ({ stage }) => {
    await stage.machine.sh(`rm /etc/systemd/system/${stage.unit}; systemctl daemon-reload`);
    await stage.certs.install(await makeSet());
    const daemon = stage.watch();
    const { details } = await daemon.says('restart_failed');
    expect(details).toMatchObject({ cause: 'unit_missing', hint: expect.stringContaining('MOSQUITTO_UNIT') });
    await nothingFollows();
    expect(daemon.count('restart_failed')).toBe(1);
    await stage.configure({});
    await stage.systemctl('start');
    await daemon.says('broker_already_current');
    expect(await stage.starts()).toBe(1);
  });
});

describeWith(SYSTEMD, 'a restart', () => {
  test('comes up also where the start limit is used up', async ({ stage }) => {
    const { daemon, rotate } = await watched(stage);
    for (let times = 1; times < 5; times += 1) await stage.systemctl('restart');
    await rotate();
    await settled(daemon);
    expect(await stage.starts()).toBe(6);
    expect(await stage.show('ActiveState')).toBe('active');
  });

  test('that is refused because the unit is masked leaves it running, and is told with the way out', async ({
    stage,
  }) => {
    const { daemon, rotate } = await watched(stage);
    await stage.machine.sh(`rm /etc/systemd/system/${stage.unit}`);
    await stage.systemctl('mask');
    await rotate();
    const { details } = await daemon.says('restart_failed');
    expect(details).toMatchObject({ cause: 'call_refused', hint: expect.stringContaining('unmask') });
    expect(await stage.show('ActiveState')).toBe('active');
  });

  test('after which the broker dies again and again is not repeated for this set', async ({ stage }) => {
    await stage.configure({ Restart: 'always', RestartSec: '300ms' });
    const { daemon, rotate } = await watched(stage);
    await stage.broker('this is no configuration\n');
    await rotate();
    const { details } = await daemon.says('broker_unhealthy');
    await nothingFollows();
    expect(details['message']).toContain('is not restarted again');
    expect([daemon.count('mosquitto_restart_triggered'), daemon.count('restart_completed')]).toEqual([1, 0]);
  });

  test('that somebody revokes by stopping the unit is not repeated: it stays stopped', async ({ stage }) => {
    const { daemon, rotate } = await watched(stage);
    await stage.configure({ ExecStartPre: `/bin/sh -c 'trap "exit 0" TERM; sleep infinity & wait'` });
    await rotate();
    await isHeld(stage);
    await stage.systemctl('stop');
    await daemon.says('broker_not_running');
    await nothingFollows();
    expect(await stage.show('ActiveState')).toBe('inactive');
    expect(await stage.starts()).toBe(1);
    expect(daemon.count('mosquitto_restart_triggered')).toBe(1);
  });

  test('that somebody revokes so hard that the unit fails is not repeated either, and is told', async ({
    stage,
  }) => {
    const { daemon, rotate } = await watched(stage);
    await stage.configure({ ExecStartPre: '/bin/sleep infinity' });
    await rotate();
    await isHeld(stage);
    await stage.systemctl('stop');
    const { details } = await daemon.says('broker_unhealthy');
    await nothingFollows();
    expect(details['error']).toContain('canceled');
    expect(await stage.show('ActiveState')).toBe('failed');
    expect(daemon.count('mosquitto_restart_triggered')).toBe(1);
  });

  test('whose systemctl is killed counts as one that may have happened, and is verified', async ({
    stage,
  }) => {
    const { daemon, rotate } = await watched(stage);
    const release = await holdStarts(stage);
    await rotate();
    await isHeld(stage);
    await stage.machine.sh(`kill -KILL $(pgrep --full '[r]estart ${stage.unit}')`);
    await release();
    await settled(daemon);
    expect(await stage.starts()).toBe(2);
  });

  test('that outlives a watcher that was killed is not repeated by its successor', async ({ stage }) => {
    const settings = { STATE_FILE: `${stage.directory}/state.json` };
    const { rotate } = await watched(stage, settings);
    const release = await holdStarts(stage);
    await rotate();
    await isHeld(stage);
    await stage.killWatcher();
    await release();
    const successor = stage.watch(settings);
    await successor.says('broker_already_current');
    await nothingFollows();
    expect(await stage.starts()).toBe(2);
  });

  test('that systemd has made by itself since the files came is enough', async ({ stage }) => {
    const { daemon, rotate } = await watched(stage, { STABILITY_WINDOW: '10s' });
    const deferredBefore = daemon.count('restart_deferred');
    await rotate();
    await daemon.says('restart_deferred', { skip: deferredBefore });
    await stage.machine.sh(`systemctl kill --signal=SEGV ${stage.unit}`);
    await daemon.says('broker_already_current', { skip: 1 });
    await nothingFollows();
    expect(daemon.count('mosquitto_restart_triggered')).toBe(0);
    // a busy systemd may schedule one restart twice, and counts both
    expect(Number(await stage.show('NRestarts'))).toBeGreaterThan(0);
    expect(await stage.starts()).toBe(2);
  });

  test('is made by one of two watchers', async ({ stage }) => {
    const { daemon, rotate } = await watched(stage);
    const other = stage.watch();
    await other.says('broker_already_current');
    await rotate();
    const knows = (one: Daemon) =>
      one.count('restart_completed') === 1 || one.count('broker_already_current') === 2;
    await until('both to know of it', () => knows(daemon) && knows(other));
    await nothingFollows();
    expect(await stage.starts()).toBe(2);
  });

  test('of a forking service is verified, and not repeated', async ({ stage }) => {
    const pidFile = `/run/${stage.unit}.pid`;
    await stage.machine.sh(
      `echo 'pid_file ${pidFile}' >>/etc/mosquitto/${stage.unit.replace('.service', '')}.conf`,
    );
    await stage.configure({
      Type: 'forking',
      NotifyAccess: undefined,
      PIDFile: pidFile,
      ExecStart: `/usr/sbin/mosquitto -d -c /etc/mosquitto/${stage.unit.replace('.service', '')}.conf`,
    });
    const { daemon, rotate } = await watched(stage);
    await rotate();
    await settled(daemon);
    expect(await stage.starts()).toBe(2);
  });
});

describeWith(SYSTEMD, 'the rights of a watcher that is not root', () => {
  const AS_WATCHER = { user: 'watcher' };

  test('are none without a rule: it is told once, with the command that prints it', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    await stage.systemctl('start');
    const daemon = stage.watch({}, AS_WATCHER);
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    const { details } = await daemon.says('restart_failed');
    await nothingFollows();
    expect(details).toMatchObject({
      cause: 'permission_denied',
      hint: expect.stringContaining('mosquitto-cert-watcher unit-policy'),
    });
    expect(await stage.starts()).toBe(1);
  });

  test('are with the rule of unit-policy a restart of this unit, and nothing else', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    await stage.systemctl('start');
    const { stdout: rule } = await stage.command(['unit-policy', '--user', 'watcher']);
    await stage.machine.write(`/etc/polkit-1/rules.d/50-${stage.unit}.rules`, rule);
    const daemon = stage.watch({}, AS_WATCHER);
    await daemon.says('broker_already_current');
    await until('polkit to have read the rule', async () => {
      const { code } = await stage.machine.run(['systemctl', 'reset-failed', stage.unit], AS_WATCHER);
      return code === 0;
    });
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(await stage.starts()).toBe(2);
    const refused = await Promise.all(
      [
        ['stop', stage.unit],
        ['start', stage.unit],
        ['kill', stage.unit],
        ['restart', 'mosquitto.service'],
        ['daemon-reload'],
      ].map((args) => stage.machine.run(['systemctl', '--no-ask-password', ...args], AS_WATCHER)),
    );
    expect(refused.map(({ code }) => code)).not.toContain(0);
  });

  test('are asked of a bus that has gone: the failure is told, and nothing is restarted', async ({
    stage,
  }) => {
    await stage.certs.install(await makeSet());
    await stage.systemctl('start');
    const daemon = stage.watch({ DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/run/nobody' }, AS_WATCHER);
    const { details } = await daemon.says('restart_failed');
    expect(details).toMatchObject({ cause: 'unreachable' });
    expect(await stage.starts()).toBe(1);
  });
});

describeWith(SYSTEMD, 'a reload by signal of a unit', () => {
  /** A broker with a TLS listener, which uses these files. */
  async function signalled(stage: UnitStage, certfile: string, verifyTimeout: string) {
    await stage.certs.install(await forServers());
    await stage.machine.sh(`cp ${stage.certs.path}/client.crt ${stage.directory}/other.crt`);
    await stage.machine.sh(`cp ${stage.certs.path}/client.key ${stage.directory}/other.key`);
    const files = `certfile ${certfile}.crt\nkeyfile ${certfile}.key\n`;
    await stage.broker(`user root\nallow_anonymous true\nlistener ${stage.port} 127.0.0.1\n${files}`);
    await stage.systemctl('start');
    const daemon = stage.watch({
      BROKER_URL: `mqtts://127.0.0.1:${stage.port}`,
      RELOAD_STRATEGY: 'sighup',
      RESTART_VERIFY_TIMEOUT: verifyTimeout,
    });
    await daemon.says('broker_already_current');
    return daemon;
  }

  test('is enough where its listener presents the new certificate', async ({ stage }) => {
    const daemon = await signalled(stage, `${stage.certs.path}/client`, '30s');
    await stage.certs.install(await forServers());
    const { details } = await daemon.says('reload_completed');
    await nothingFollows();
    expect(details).toMatchObject({ container: stage.unit, proof: 'listener' });
    expect(await stage.starts()).toBe(1);
  });

  test('is followed by one restart where nothing proves that it was enough', async ({ stage }) => {
    const daemon = await signalled(stage, `${stage.directory}/other`, '3s');
    await stage.certs.install(await forServers());
    await daemon.says('reload_insufficient');
    await settled(daemon);
    expect(await stage.starts()).toBe(2);
  });
});

describeWith(SYSTEMD, 'a two-phase rotation with a unit', () => {
  test('goes back to the set before where the broker does not start with the new one, and starts it', async ({
    stage,
  }) => {
    const incoming = await createCertDirectory(`${stage.directory}/incoming`);
    await stage.certs.install(await makeSet());
    const first = `${stage.directory}/first.crt`;
    await stage.machine.sh(`cp ${stage.certs.path}/client.crt ${first}`);
    await stage.configure({
      Restart: 'no',
      ExecStartPre: `/usr/bin/cmp --silent ${stage.certs.path}/client.crt ${first}`,
    });
    await stage.systemctl('start');
    const daemon = stage.watch({ INCOMING_DIR: incoming.path, RESTART_COOLDOWN: '5m' });
    await daemon.says('cert_missing');
    await incoming.install(await makeSet());
    await daemon.says('set_rolled_back');
    await daemon.says('restart_completed');
    expect(await stage.show('ActiveState')).toBe('active');
    expect(await stage.starts()).toBe(2);
  });
});

describeWith(SYSTEMD, 'check of a unit', () => {
  test('says what is so, and for a user who is not root where the rule comes from', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    await stage.systemctl('start');
    const { code, stdout } = await stage.command(['check'], {}, { user: 'watcher' });
    expect(stdout).toMatch(new RegExp(`broker +ok +${stage.unit} is active \\(running\\), started`));
    expect(stdout).toContain('mosquitto-cert-watcher unit-policy');
    expect(stdout).not.toContain('socket');
    expect(code).toBe(0);
  });

  test('is critical where there is no systemctl, and says where to run it', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    // while the set has to wait anyway, it is only a warning
    const { code, stdout } = await stage.command(['check'], { PATH: '/nowhere', STABILITY_WINDOW: '0s' });
    expect(stdout).toContain('there is no systemctl here');
    expect(stdout).toContain('on the host itself');
    expect(code).toBe(2);
  });
});
