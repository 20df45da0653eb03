/**
 * A broker in a container that systemd runs, out of a `.container` file (Podman's Quadlet, here that of Debian 13): it
 * is restarted as the unit that it is. Starts are counted by systemd's journal.
 */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { type CertDirectory, createCertDirectory } from '../../lab/cert-directory.ts';
import { type Daemon, startDaemon } from '../../lab/daemon.ts';
import { createEngineApi } from '../../lab/engine-api.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { bootSystemd, type SystemdMachine } from '../../lab/systemd.ts';
import { until } from '../../lab/until.ts';
import { engineSocketPath, SYSTEMD, skipped } from '../support/needs.ts';
import { copyProgram, type ProgramCopy } from '../support/program-copy.ts';
import { makeSet, nothingFollows, SHORT, settled } from '../support/stage.ts';

const UNIT = 'broker.service';
/** Quadlet's own name for it. */
const CONTAINER = 'systemd-broker';
const PROGRAM = { node: '/program/node', main: '/program/src/main.ts' };

const CONFIGURATION = `user root
listener 1883 127.0.0.1
allow_anonymous true
connection upstream
address 127.0.0.1:1
topic # out 0
bridge_cafile /certs/ca.crt
bridge_certfile /certs/client.crt
bridge_keyfile /certs/client.key
`;

/** The machine has no network but its own loopback, and no registry. */
const quadlet = (certs: string) => `[Container]
Image=localhost/mosquitto:latest
Pull=never
Exec=/usr/sbin/mosquitto -c /config/mosquitto.conf
Network=host
Volume=${certs}:/certs:ro
Volume=/srv/config:/config:ro
`;

/** An image of nothing but the machine's own Mosquitto, its libraries, and the one that glibc loads by itself. */
const IMAGE = `
libraries=$(ldd /usr/sbin/mosquitto | grep -o '/[^ ]*')
unwinder=$(find /usr/lib -name libgcc_s.so.1)
mkdir /tmp/image
cp --parents --dereference /usr/sbin/mosquitto $libraries $unwinder /tmp/image
tar -C /tmp/image -c . | podman import --quiet - localhost/mosquitto:latest
`;

describe.skipIf(!SYSTEMD.ok)(`a Quadlet${skipped(SYSTEMD)}`, () => {
  let machine: SystemdMachine;
  let program: ProgramCopy;
  let directory: string;
  let certs: CertDirectory;
  const daemons: Daemon[] = [];

  beforeAll(async () => {
    program = await copyProgram();
    directory = await mkdtemp(join(tmpdir(), 'quadlet-'));
    certs = await createCertDirectory(join(directory, 'certs'));
    const binds = [`${join(program.main, '../..')}:/program:ro`, `${directory}:${directory}`];
    const engine = createEngineApi(engineSocketPath());
    machine = await bootSystemd(engine, { suite: 'trixie', with: 'podman', binds });
    await machine.sh(IMAGE);
    await machine.write('/srv/config/mosquitto.conf', CONFIGURATION);
    await machine.write('/etc/containers/systemd/broker.container', quadlet(certs.path));
    // the machine's own broker has the same port
    await machine.sh(
      'systemctl disable --now mosquitto; systemctl daemon-reload; systemctl start podman.socket',
    );
  }, 400_000);
  afterEach(async () => {
    await machine.run(['sh', '-c', `kill -KILL $(cat /tmp/watcher-*.pid); rm /tmp/watcher-*.pid`]);
    await Promise.all(daemons.splice(0).map((daemon) => daemon.kill()));
    await machine.run(['systemctl', 'stop', UNIT]);
  });
  afterAll(async () => {
    await machine?.remove();
    await program?.remove();
    if (directory !== undefined) await removeTree(directory);
  });

  const show = async (property: string) =>
    (await machine.sh(`systemctl show --value -p ${property} ${UNIT}`)).trim();
  const containers = async () =>
    (await machine.sh("podman ps --all --no-trunc --format '{{.Names}} {{.ID}}'")).trim().split('\n');

  function watch(settings: Readonly<Record<string, string>>): Daemon {
    const pidFile = `/tmp/watcher-${daemons.length}.pid`;
    const wrapper = machine.inside(['sh', '-c', 'echo $$ >"$0"; exec "$@"', pidFile], {
      env: { ...SHORT, CERT_DIR: certs.path, ...settings },
    });
    const daemon = startDaemon({}, { program: PROGRAM, wrapper });
    daemons.push(daemon);
    return daemon;
  }

  /** Starts the unit with a new set; resolves with how often systemd has started it by now. */
  async function started() {
    onTestFailed(async () => {
      const lines = daemons.flatMap((daemon) => daemon.lines.map((line) => JSON.stringify(line)));
      const journal = await machine.sh(`journalctl -o short-precise -u ${UNIT} -n 40; podman ps --all`);
      process.stderr.write(`${lines.join('\n')}\n${journal}\n`);
    });
    await certs.install(await makeSet());
    const earlier = await machine.starts(UNIT);
    await machine.sh(`systemctl start ${UNIT}`);
    // the journal gets it a moment later
    await until('the start in the journal', async () => (await machine.starts(UNIT)) > earlier);
    return earlier + 1;
  }

  async function watched(settings: Readonly<Record<string, string>> = {}) {
    const before = await started();
    const daemon = watch({ MOSQUITTO_UNIT: UNIT, ...settings });
    await daemon.says('broker_already_current');
    return { before, daemon };
  }

  test('is restarted once for a rotation, as a unit, and its broker is well', async () => {
    const { before, daemon } = await watched();
    const [container] = await containers();
    await certs.install(await makeSet());
    await settled(daemon);
    expect(await machine.starts(UNIT)).toBe(before + 1);
    expect([await show('ActiveState'), await show('NRestarts')]).toEqual(['active', '0']);
    const now = await containers();
    expect(now).toEqual([expect.stringContaining(CONTAINER)]);
    expect(now).not.toEqual([container]);
    expect(await machine.sh("mosquitto_sub -C 1 -W 5 -t '$SYS/broker/version'")).toContain('mosquitto');
  });

  test('is restarted at once where a signal would come first, because it would reach Podman and not the broker', async () => {
    const { before, daemon } = await watched({
      RELOAD_STRATEGY: 'sighup',
      BROKER_URL: 'mqtt://127.0.0.1:1883',
    });
    await certs.install(await makeSet());
    await settled(daemon);
    expect(daemon.count('mosquitto_reload_triggered')).toBe(0);
    expect(await machine.starts(UNIT)).toBe(before + 1);
  });

  test('is told by check as what it is, where its container was named', async () => {
    await started();
    const settings = { MOSQUITTO_CONTAINER: CONTAINER, DOCKER_SOCK: '/run/podman/podman.sock' };
    const env = { ...SHORT, CERT_DIR: certs.path, ...settings };
    const { stdout, code } = await machine.run([PROGRAM.node, PROGRAM.main, 'check'], { env });
    expect(stdout).toMatch(new RegExp(`${CONTAINER} belongs to the unit ${UNIT} \\(PODMAN_SYSTEMD_UNIT\\)`));
    expect(stdout).toContain(`set MOSQUITTO_UNIT=${UNIT} instead of MOSQUITTO_CONTAINER`);
    expect(code).toBe(1);
  });

  test('does not survive a restart through the API, which is why check warns', async () => {
    await started();
    await machine.run(['podman', '--remote', 'restart', CONTAINER]);
    await until('the end of the unit', async () => (await show('ActiveState')) !== 'active');
    await nothingFollows();
    expect(await show('ActiveState')).not.toBe('active');
    expect(await containers()).toEqual(['']);
  });
});
