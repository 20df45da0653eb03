/**
 * The Debian package on a machine with systemd: installed by apt, configured, at work, stuck, upgraded, removed, purged.
 * The tests are one story, told in order on one machine.
 */

import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSet } from '../../lab/cert-directory.ts';
import { createEngineApi } from '../../lab/engine-api.ts';
import { bootSystemd, type SystemdMachine } from '../../lab/systemd.ts';
import { until } from '../../lab/until.ts';
import manifest from '../../package.json' with { type: 'json' };
import { all, engineSocketPath, program, SYSTEMD, skipped } from '../support/needs.ts';
import { REPOSITORY, SHIPPING, ship, thisTarget } from '../support/shipping.ts';

const run = promisify(execFile);

const UNIT = 'mosquitto-cert-watcher';
const SETTINGS = `/etc/default/${UNIT}`;
const DROP_IN = `/etc/systemd/system/${UNIT}.service.d/test.conf`;
const BROKER = 'mosquitto.service';
/** a directory that can be made to hang, as a network mount does whose server is gone */
const CERTS = '/srv/certs';

const need = all(SHIPPING, SYSTEMD, program('lintian'), program('bindfs'));

describe.skipIf(!need.ok)(`the Debian package${skipped(need)}`, () => {
  let directory: string;
  let file: string;
  let machine: SystemdMachine;
  let mount: ReturnType<typeof spawn>;
  /** half a minute of work, done meanwhile */
  let findings: Promise<string>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'package-'));
    const { name, arch } = thisTarget();
    await ship('deb', [name]);
    file = join(REPOSITORY, 'dist', `${UNIT}_${manifest.version}_${arch}.deb`);
    findings = lintian(file);
    for (const each of ['real', 'mount']) await mkdir(join(directory, each));
    mount = spawn('bindfs', ['-f', join(directory, 'real'), join(directory, 'mount')], { stdio: 'ignore' });
    await until('the mount', async () => (await readFile('/proc/mounts', 'utf8')).includes(directory));
    const engine = createEngineApi(engineSocketPath());
    machine = await bootSystemd(engine, { binds: [`${join(directory, 'mount')}:${CERTS}`] });
  });

  afterAll(async () => {
    mount?.kill('SIGCONT');
    await machine?.remove();
    mount?.kill();
    if (mount !== undefined) await until('the end of the mount', () => mount.exitCode !== null);
    if (directory !== undefined) await rm(directory, { recursive: true });
  });

  const property = async (name: string) =>
    (await machine.sh(`systemctl show --property=${name} --value ${UNIT}`)).trim();
  const journal = () => machine.journal(`${UNIT}.service`);
  const said = async (event: string) =>
    (await journal()).filter(({ message }) => message.includes(`"event":"${event}"`)).length;
  const configure = (lines: Readonly<Record<string, string>>) =>
    machine.sh(
      Object.entries(lines)
        .map(([name, value]) => `sed -i '/^#*${name}=/d' ${SETTINGS}; echo '${name}=${value}' >>${SETTINGS}`)
        .join('\n'),
    );
  const dropIn = (...lines: string[]) =>
    machine
      .write(DROP_IN, ['[Service]', ...lines, ''].join('\n'))
      .then(() => machine.sh('systemctl daemon-reload'));
  const installSet = async () => {
    const { ca, cert, key } = await makeSet();
    for (const [name, text] of Object.entries({ 'ca.crt': ca, 'client.crt': cert, 'client.key': key }))
      await writeFile(join(directory, 'real', name), text);
  };

  async function install(deb: string): Promise<string> {
    await machine.copyIn(deb, '/root/package.deb', 0o644);
    return machine.sh('DEBIAN_FRONTEND=noninteractive apt-get install -y /root/package.deb 2>&1');
  }

  test('says when it is installed that it is not configured, and how to change that', async () => {
    const output = await install(file);
    expect(output).toContain(`${UNIT} is not configured yet, so it does not run.`);
    expect(output).toContain(`Set UPSTREAM_ADDR in ${SETTINGS}, then: systemctl restart ${UNIT}`);
  });

  test('does not run while it is not configured, which is told and is no failure', async () => {
    await machine.sh(`systemctl restart ${UNIT}`);
    expect(await property('ActiveState')).toBe('inactive');
    expect(await property('Result')).toBe('exec-condition');
    expect((await machine.sh('systemctl is-system-running')).trim()).toBe('running');
    expect((await journal()).filter(({ identifier }) => identifier === 'sh')).toContainEqual(
      expect.objectContaining({
        priority: 4,
        message: expect.stringContaining(`set UPSTREAM_ADDR in ${SETTINGS}`),
      }),
    );
  });

  test('has a unit in which systemd finds no fault', async () => {
    expect(await machine.run(['systemd-analyze', 'verify', `${UNIT}.service`])).toMatchObject({
      code: 0,
      stderr: '',
    });
  });

  test('brings its manual page, and what bash completes', async () => {
    expect(await machine.sh(`man ${UNIT} 2>&1`)).toContain('UPSTREAM_ADDR');
    const script = `. /usr/share/bash-completion/bash_completion; _completion_loader ${UNIT}; complete -p ${UNIT}`;
    expect(await machine.sh(`bash -c '${script}'`)).toContain('-F _mosquitto_cert_watcher');
  });

  test('is ready after its first cycle once it is configured, with its state as status', async () => {
    await installSet();
    await machine.sh(`systemctl start ${BROKER}`);
    await configure({
      UPSTREAM_ADDR: '127.0.0.1:8883',
      CERT_DIR: CERTS,
      STABILITY_WINDOW: '1s',
      RESTART_COOLDOWN: '1s',
    });
    await machine.sh(`systemctl restart ${UNIT}`);
    expect(await property('ActiveState')).toBe('active');
    expect(await said('cert_parsed')).toBe(1);
    await until('a status', async () => (await property('StatusText')) !== '');
    expect(await machine.sh(`ps -o user:40= -p ${await property('MainPID')}`)).toContain(UNIT);
  });

  test('writes lines that the journal knows the priority of', async () => {
    const ours = (await journal()).filter(({ message }) => message.startsWith('{'));
    const priorities = { error: 3, warn: 4, info: 6, debug: 7 } as const;
    const levels = ours.map(({ message }) => JSON.parse(message).level as keyof typeof priorities);
    expect(new Set(levels).size).toBeGreaterThan(1);
    expect(ours.map(({ priority }) => priority)).toEqual(levels.map((level) => priorities[level]));
  });

  test('restarts the broker of the machine once for a new set, by its own rule for polkit', async () => {
    const before = await machine.starts(BROKER);
    await installSet();
    await until('the restart', async () => (await said('restart_completed')) === 1, { everyMs: 200 });
    await until('the status', async () => !(await property('StatusText')).includes('restart'), {
      everyMs: 200,
    });
    // the journal gets it a moment later
    await until('the start in the journal', async () => (await machine.starts(BROKER)) > before);
    expect(await machine.starts(BROKER)).toBe(before + 1);
  });

  test('may do nothing else to it, and nothing to other units', async () => {
    const ask = async (...words: string[]) =>
      (await machine.run(['systemctl', '--no-ask-password', ...words], { user: UNIT })).code;
    expect(await ask('restart', BROKER)).toBe(0);
    expect(await ask('stop', BROKER)).not.toBe(0);
    expect(await ask('restart', 'systemd-journald.service')).not.toBe(0);
  });

  test('goes on in the same process when it is reloaded', async () => {
    const pid = await property('MainPID');
    await machine.sh(`systemctl reload ${UNIT}`);
    expect(await property('MainPID')).toBe(pid);
    expect(await property('ActiveState')).toBe('active');
  });

  test('is told to be stuck, killed and started again when it stands still', async () => {
    await dropIn('WatchdogSec=4s', 'RestartSec=1s');
    await machine.sh(`systemctl restart ${UNIT}`);
    const pid = await property('MainPID');
    // longer than the watchdog waits: it gets its signs of life
    await until('signs of life', async () => Number(await property('WatchdogTimestampMonotonic')) > 0);
    const firstMs = Number(await property('WatchdogTimestampMonotonic'));
    await until(
      'more',
      async () => Number(await property('WatchdogTimestampMonotonic')) > firstMs + 5_000_000,
      {
        everyMs: 200,
      },
    );
    expect(await property('MainPID')).toBe(pid);
    await machine.sh(`kill -STOP ${pid}`);
    await until('a new process', async () => !['0', pid].includes(await property('MainPID')), {
      everyMs: 200,
    });
    await until('it is ready', async () => (await property('ActiveState')) === 'active', { everyMs: 200 });
    expect((await journal()).map(({ message }) => message)).toContainEqual(
      expect.stringContaining("Failed with result 'watchdog'"),
    );
  });

  test('is started again when its loop hangs on a mount whose server is gone, until that is back', async () => {
    const pid = await property('MainPID');
    const brokerStarts = await machine.starts(BROKER);
    mount.kill('SIGSTOP');
    await until('the end of the process that hangs', async () => (await property('MainPID')) !== pid, {
      withinMs: 90_000,
      everyMs: 500,
    });
    mount.kill('SIGCONT');
    await until('it is ready', async () => (await property('ActiveState')) === 'active', {
      withinMs: 30_000,
      everyMs: 200,
    });
    expect(await machine.starts(BROKER)).toBe(brokerStarts);
  });

  test('keeps settings over an upgrade, and runs in the new version', async () => {
    const pid = await property('MainPID');
    const settings = await machine.sh(`cat ${SETTINGS}`);
    const brokerStarts = await machine.starts(BROKER);
    await install(await newer(file, directory));
    expect(await machine.sh(`cat ${SETTINGS}`)).toBe(settings);
    expect((await machine.sh(`dpkg-query -W -f '\${Version}' ${UNIT}`)).trim()).toBe(`${manifest.version}.1`);
    expect(await property('MainPID')).not.toBe(pid);
    expect(await property('ActiveState')).toBe('active');
    expect(await machine.starts(BROKER)).toBe(brokerStarts);
  });

  test('leaves it stopped, and disabled, over an installation, if somebody has done so', async () => {
    await machine.sh(`systemctl disable --now ${UNIT}`);
    await machine.sh('apt-get install -y --reinstall /root/package.deb 2>&1');
    expect(await property('ActiveState')).toBe('inactive');
    expect((await machine.run(['systemctl', 'is-enabled', UNIT])).stdout.trim()).toBe('disabled');
    await machine.sh(`systemctl enable --now ${UNIT}`);
  });

  test('stops when it is removed, and keeps settings and state', async () => {
    await machine.sh(`apt-get remove -y ${UNIT} 2>&1`);
    expect((await machine.run(['pgrep', '-f', `/usr/bin/${UNIT}`])).code).toBe(1);
    expect(await property('LoadState')).toBe('not-found');
    await machine.sh(`test -e ${SETTINGS} && test -e /var/lib/${UNIT}/state.json`);
  });

  test('leaves nothing behind when it is purged, and no unit has failed', async () => {
    await machine.sh(`rm -r ${DROP_IN.replace(/\/[^/]*$/, '')}; apt-get purge -y ${UNIT} 2>&1`);
    const left = await machine.sh(
      `find / -xdev -name '*${UNIT}*' -not -path '/proc/*' -not -path '/var/cache/man/*'`,
    );
    expect(left).toBe('');
    expect((await machine.sh('systemctl is-system-running')).trim()).toBe('running');
  });

  test('has nothing that lintian calls an error or warns of', async () => {
    expect(await findings).toBe('');
  });
});

/** What lintian says, without what is overridden. */
async function lintian(file: string): Promise<string> {
  const args = ['--allow-root', '--fail-on', 'none', '--tag-display-limit', '0', file];
  return run('lintian', args).then(({ stdout }) => stdout, String);
}

/** The same package under the next version. */
async function newer(file: string, directory: string): Promise<string> {
  const tree = join(directory, 'newer');
  await run('dpkg-deb', ['--raw-extract', file, tree]);
  const control = join(tree, 'DEBIAN', 'control');
  const text = await readFile(control, 'utf8');
  await writeFile(control, text.replace(/^Version: .*$/m, `Version: ${manifest.version}.1`));
  const made = join(directory, 'newer.deb');
  await run('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z1', '--build', tree, made]);
  return made;
}
