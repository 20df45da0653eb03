/**
 * A machine with systemd for all tests of a file, and what one test plays with in it: a unit that runs Debian's
 * Mosquitto with a bridge that uses the certificates, and watchers of it. What systemd did is counted by its journal.
 */

import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, test as base, beforeAll } from 'vitest';
import { type CertDirectory, createCertDirectory } from '../../lab/cert-directory.ts';
import { type Daemon, startDaemon } from '../../lab/daemon.ts';
import { createEngineApi } from '../../lab/engine-api.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { bootSystemd, type RunOptions, type SystemdMachine } from '../../lab/systemd.ts';
import { engineSocketPath } from './needs.ts';
import { copyProgram, type ProgramCopy } from './program-copy.ts';
import { SHORT } from './stage.ts';

/** Where the machine finds the program. */
const PROGRAM = { node: '/program/node', main: '/program/src/main.ts' };

export interface UnitStage {
  readonly machine: SystemdMachine;
  readonly certs: CertDirectory;
  /** full name of the unit, of this test alone */
  readonly unit: string;
  /** at which its broker listens, inside the machine */
  readonly port: number;
  /** a directory that the machine sees under the same path */
  readonly directory: string;
  /** Replaces lines of the unit's `[Service]` section; see {@link service}. */
  configure(change: Readonly<Record<string, string | undefined>>): Promise<void>;
  /** Replaces the broker's configuration. */
  broker(configuration: string): Promise<void>;
  /** `systemctl VERB UNIT` by root, which has to succeed. */
  systemctl(verb: string): Promise<string>;
  /** One property of the unit. */
  show(property: string): Promise<string>;
  /** How often systemd has started it. */
  starts(): Promise<number>;
  /** A watcher of the unit with short windows; `settings` win. */
  watch(settings?: Readonly<Record<string, string>>, options?: RunOptions): Daemon;
  /** A command of the program. */
  command(
    args: readonly string[],
    settings?: Readonly<Record<string, string>>,
    options?: RunOptions,
  ): ReturnType<SystemdMachine['run']>;
  /** SIGKILL to the watcher that was started last. */
  killWatcher(): Promise<void>;
}

/** Debian's unit, as far as it matters here. */
function service(name: string, change: Readonly<Record<string, string | undefined>>): string {
  const lines = {
    Type: 'notify',
    NotifyAccess: 'main',
    ExecStart: `/usr/sbin/mosquitto -c /etc/mosquitto/${name}.conf`,
    ExecReload: '/bin/kill -HUP $MAINPID',
    Restart: 'on-failure',
    ...change,
  };
  const text = Object.entries(lines)
    .flatMap(([key, value]) => (value === undefined ? [] : `${key}=${value}\n`))
    .join('');
  // five starts, however slow the machine is that runs the tests
  return `[Unit]\nDescription=${name}\nStartLimitIntervalSec=1h\n[Service]\n${text}`;
}

/** A broker with a bridge that uses the certificates, to nobody. */
function configuration(port: number, certs: string): string {
  return `listener ${port} 127.0.0.1
allow_anonymous true
user root
connection upstream
address 127.0.0.1:1
topic # out 0
bridge_cafile ${certs}/ca.crt
bridge_certfile ${certs}/client.crt
bridge_keyfile ${certs}/client.key
`;
}

let machine: SystemdMachine;
let program: ProgramCopy;
let shared: string;
let count = 0;

/** Boots the machine before the tests of this file, and turns it off after them. */
export function withMachine(): void {
  beforeAll(async () => {
    program = await copyProgram();
    shared = await mkdtemp(join(tmpdir(), 'cert-watcher-systemd-'));
    const directory = join(program.main, '../..');
    const binds = [`${directory}:/program:ro`, `${shared}:${shared}`];
    machine = await bootSystemd(createEngineApi(engineSocketPath()), { binds });
    await machine.sh(`chmod 755 ${shared}; useradd --system watcher`);
  }, 400_000);
  afterAll(async () => {
    await machine?.remove();
    await program?.remove();
    if (shared !== undefined) await removeTree(shared);
  });
}

/** A test with a unit of its own, which is not started yet. */
export const test = base.extend('stage', async ({ onTestFailed }, { onCleanup }) => {
  count += 1;
  const name = `broker-${count}`;
  const daemons: Daemon[] = [];
  const stage = await createStage(name, 2_000 + count, daemons);
  onTestFailed(async () => {
    const logs = daemons.map(({ lines }) => lines.map((line) => JSON.stringify(line)).join('\n'));
    const journal = await machine.journal(stage.unit);
    const told = journal.map(({ atMs, message }) => `${new Date(atMs).toISOString()} ${message}`);
    process.stderr.write(`${[...logs, told.join('\n')].join('\n\n')}\n`);
  });
  onCleanup(async () => {
    await machine.run(['sh', '-c', `kill -KILL $(cat /tmp/${name}-*.pid); systemctl stop ${name}`]);
    await Promise.all(daemons.map((daemon) => daemon.kill()));
  });
  return stage;
});

async function createStage(name: string, port: number, daemons: Daemon[]): Promise<UnitStage> {
  const unit = `${name}.service`;
  const directory = join(shared, name);
  await mkdir(directory);
  const certs = await createCertDirectory(join(directory, 'certs'));
  const configure = async (change: Readonly<Record<string, string | undefined>>) => {
    await machine.write(`/etc/systemd/system/${unit}`, service(name, change));
    await machine.sh('systemctl daemon-reload');
  };
  const broker = (configuration: string) => machine.write(`/etc/mosquitto/${name}.conf`, configuration);
  const environment = (settings: Readonly<Record<string, string>>) => ({
    ...SHORT,
    // systemd takes seconds to answer where the machine is busy with other tests
    RESTART_VERIFY_TIMEOUT: '20s',
    CERT_DIR: certs.path,
    MOSQUITTO_UNIT: unit,
    ...settings,
  });
  await broker(configuration(port, certs.path));
  await configure({});
  return {
    machine,
    certs,
    unit,
    port,
    directory,
    configure,
    broker,
    systemctl: (verb) => machine.sh(`systemctl ${verb} ${unit}`),
    show: async (property) => (await machine.sh(`systemctl show --value -p ${property} ${unit}`)).trim(),
    starts: () => machine.starts(unit),
    watch: (settings = {}, options = {}) => {
      const script = 'echo $$ >"$0"; exec "$@"';
      const pidFile = `/tmp/${name}-${daemons.length}.pid`;
      const wrapper = machine.inside(['sh', '-c', script, pidFile], {
        ...options,
        env: environment(settings),
      });
      const daemon = startDaemon({}, { program: PROGRAM, wrapper });
      daemons.push(daemon);
      return daemon;
    },
    command: (args, settings = {}, options = {}) =>
      machine.run([PROGRAM.node, PROGRAM.main, ...args], { ...options, env: environment(settings) }),
    killWatcher: async () => {
      await machine.sh(`kill -KILL $(cat /tmp/${name}-${daemons.length - 1}.pid)`);
    },
  };
}
