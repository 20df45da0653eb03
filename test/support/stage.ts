/**
 * What one end-to-end test plays with: a certificate directory, brokers in containers, watchers. All of it
 * is its own, is removed when the test ends, and tells its story when the test fails.
 */

import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base } from 'vitest';
import { ensureBrokerImage } from './broker-image.ts';
import { type CertificateOptions, createAuthority } from './certificates.ts';
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';
import { type ContainerState, createEngineApi, type EngineApi, type EventLog } from './engine-api.ts';
import { engineSocketPath } from './needs.ts';
import { quietly, until } from './until.ts';

export interface CertificateFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface CertDirectory {
  readonly path: string;
  /** Replaces the three files by renames, as careful agents do; resolves with the time after the last. */
  install(files: CertificateFiles): Promise<number>;
  /** Writes the same bytes again, in place. */
  rewrite(files: CertificateFiles): Promise<void>;
  /** Sets the times of all three files to now. */
  touch(): Promise<void>;
}

export interface BrokerOptions {
  readonly engine?: EngineApi;
  readonly certs?: CertDirectory;
  /** started unless told */
  readonly started?: boolean;
  readonly stopSignal?: string;
  readonly stopTimeoutS?: number;
  readonly restartPolicy?: 'no' | 'always' | 'on-failure';
  /** a health check that says what the file `healthy` in its configuration directory says */
  readonly healthCheck?: boolean;
  readonly name?: string;
}

export interface Broker {
  readonly name: string;
  readonly engine: EngineApi;
  /** the engine's own events about it, from before it was created */
  readonly events: EventLog;
  /** How often the engine restarted it, by the engine's own events. */
  restarts(): number;
  inspect(): Promise<ContainerState>;
  start(): Promise<void>;
  /** As an operator does it; it ends with exit code 0. */
  stop(): Promise<void>;
  /** Ends it with a signal. */
  kill(signal: string): Promise<void>;
  /** The file `name` in its configuration directory; `mosquitto.conf` is the broker's. */
  configure(name: string, text: string): Promise<void>;
  remove(): Promise<void>;
  /** The same container anew, as compose makes it. */
  create(): Promise<void>;
}

export interface Stage {
  /** a temporary directory that everybody may enter */
  readonly directory: string;
  readonly engine: EngineApi;
  readonly certs: CertDirectory;
  /** A container that runs Mosquitto with a bridge that uses the certificates. */
  broker(options?: BrokerOptions): Promise<Broker>;
  /** A watcher of `broker` with short windows; `settings` win. */
  watch(broker: Broker, settings?: Readonly<Record<string, string>>, options?: DaemonOptions): Daemon;
  /** A watcher with these settings alone. */
  daemon(settings: Readonly<Record<string, string>>, options?: DaemonOptions): Daemon;
  /** To be done when the test ends, last things first. */
  onEnd(undo: () => unknown): void;
}

/** The settings of the tests: everything that is waited for is short. */
export const SHORT = {
  ENABLE_TLS_PROBE: 'false',
  STABILITY_WINDOW: '500ms',
  CHECK_INTERVAL: '100ms',
  RESTART_COOLDOWN: '1s',
  RESTART_VERIFY_TIMEOUT: '8s',
} as const;

/** Cooldown, window and several check intervals of {@link SHORT}: a second restart would have come by now. */
const ANOTHER_RESTART_MS = 1_000 + 500 + 500;

/** A test with a stage of its own. */
export const test = base.extend('stage', async ({ onTestFailed }, { onCleanup }) => {
  const directory = await mkdtemp(join(tmpdir(), 'cert-watcher-e2e-'));
  await chmod(directory, 0o755);
  const { stage, story, end } = await createStage(directory);
  onTestFailed(() => void process.stderr.write(`${story()}\n`));
  onCleanup(async () => {
    await end();
    await rm(directory, { recursive: true, force: true });
  });
  return stage;
});

const authority = createAuthority({ cn: 'End-to-end CA' });
let serial = 0;

/** A certificate set for a client, another one each time. */
export async function makeSet(options: CertificateOptions = {}): Promise<CertificateFiles> {
  serial += 1;
  const { certPem } = await authority;
  const client = await (await authority).issue({ cn: `edge-${serial}`, ...options });
  return { ca: certPem, cert: client.chainPem, key: client.keyPem };
}

/** Waits until the `nth` restart is verified, and then as long as another one would take to come. */
export async function settled(daemon: Daemon, nth = 1): Promise<void> {
  await daemon.says('restart_completed', { skip: nth - 1 });
  await quietly(ANOTHER_RESTART_MS, 'another restart would have come by now');
}

/** Waits as long as a restart would take to come after a change. */
export async function nothingFollows(): Promise<void> {
  await quietly(ANOTHER_RESTART_MS, 'window, cooldown and several check intervals');
}

async function createStage(directory: string) {
  const undoes: (() => unknown)[] = [];
  const daemons: Daemon[] = [];
  const brokers: Broker[] = [];
  const certs = await createCertDirectory(join(directory, 'certs'));
  let ordinary: EngineApi | undefined;
  const ordinaryEngine = () => {
    ordinary ??= createEngineApi(engineSocketPath());
    return ordinary;
  };

  function daemon(settings: Readonly<Record<string, string>>, options?: DaemonOptions): Daemon {
    const started = startDaemon(settings, options);
    daemons.push(started);
    undoes.push(async () => {
      await started.kill();
      if (started.offences.length > 0)
        throw new Error(`not of the promised shape on standard output: ${started.offences.join('\n')}`);
      if (/PRIVATE KEY/.test(JSON.stringify(started.lines) + started.stderr()))
        throw new Error('key material in the log');
    });
    return started;
  }

  const stage: Stage = {
    directory,
    certs,
    get engine() {
      return ordinaryEngine();
    },
    daemon,
    watch: (broker, settings, options) =>
      daemon(
        {
          ...SHORT,
          CERT_DIR: certs.path,
          MOSQUITTO_CONTAINER: broker.name,
          DOCKER_SOCK: broker.engine.socketPath,
          ...settings,
        },
        options,
      ),
    broker: async (options = {}) => {
      const engine = options.engine ?? ordinaryEngine();
      const broker = await createBroker(engine, directory, { certs, ...options });
      brokers.push(broker);
      undoes.push(async () => {
        broker.events.close();
        await broker.remove();
      });
      await broker.create();
      if (options.started !== false) await broker.start();
      return broker;
    },
    onEnd: (undo) => undoes.push(undo),
  };

  function story(): string {
    const logs = daemons.map(
      (one) =>
        `log of watcher ${one.pid}:\n${one.lines.map((line) => JSON.stringify(line)).join('\n')}\n${one.stderr()}`,
    );
    const events = brokers.map(
      ({ name, events: log }) =>
        `the engine's events about ${name}:\n${log
          .all()
          .map(({ action, atMs }) => `${new Date(atMs).toISOString()} ${action}`)
          .join('\n')}`,
    );
    return [...logs, ...events].join('\n\n');
  }

  /** Everything is undone, also where something before it failed. */
  async function end(): Promise<void> {
    const failures: unknown[] = [];
    for (const undo of undoes.toReversed()) {
      try {
        await undo();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  return { stage, story, end };
}

async function createCertDirectory(path: string): Promise<CertDirectory> {
  await mkdir(path);
  await chmod(path, 0o755);
  const names = { ca: 'ca.crt', cert: 'client.crt', key: 'client.key' } as const;
  const entries = (files: CertificateFiles) =>
    [
      [names.ca, files.ca, 0o644],
      [names.cert, files.cert, 0o644],
      [names.key, files.key, 0o600],
    ] as const;
  return {
    path,
    install: async (files) => {
      for (const [name, text, mode] of entries(files)) {
        await writeFile(join(path, `.${name}.new`), text, { mode });
        await rename(join(path, `.${name}.new`), join(path, name));
      }
      return Date.now();
    },
    rewrite: async (files) => {
      for (const [name, text] of entries(files)) await writeFile(join(path, name), text);
    },
    touch: async () => {
      const now = new Date();
      for (const name of Object.values(names)) await utimes(join(path, name), now, now);
    },
  };
}

const CONFIGURATION = `
listener 1883 127.0.0.1
allow_anonymous true
user root

connection upstream
address 127.0.0.1:8883
topic # out 0
bridge_cafile /certs/ca.crt
bridge_certfile /certs/client.crt
bridge_keyfile /certs/client.key
`;

const HEALTH_CHECK = {
  Test: ['CMD', '/bin/sh', '-c', 'test -e /config/healthy'],
  Interval: 200e6,
  Timeout: 5e9,
  Retries: 3,
};

async function createBroker(engine: EngineApi, directory: string, options: BrokerOptions): Promise<Broker> {
  const name = options.name ?? `cert-watcher-e2e-${process.pid}-${randomBytes(4).toString('hex')}`;
  const config = join(directory, name);
  await mkdir(config);
  const configure = (file: string, text: string) => writeFile(join(config, file), text);
  await configure('mosquitto.conf', CONFIGURATION);
  const image = await ensureBrokerImage(engine);
  const events = engine.events(name);
  return {
    name,
    engine,
    events,
    restarts: () => events.count('restart'),
    configure,
    inspect: () => engine.inspect(name),
    create: async () => {
      await engine.ask('POST', `/containers/create?name=${name}`, {
        Image: image,
        Cmd: ['/usr/sbin/mosquitto', '-c', '/config/mosquitto.conf'],
        ...(options.stopSignal !== undefined && { StopSignal: options.stopSignal }),
        ...(options.stopTimeoutS !== undefined && { StopTimeout: options.stopTimeoutS }),
        ...(options.healthCheck === true && { Healthcheck: HEALTH_CHECK }),
        HostConfig: {
          NetworkMode: 'none',
          Binds: [`${options.certs?.path ?? directory}:/certs:ro`, `${config}:/config:ro`],
          RestartPolicy: { Name: options.restartPolicy ?? 'no' },
        },
      });
    },
    start: async () => {
      await engine.ask('POST', `/containers/${name}/start`);
    },
    stop: async () => {
      await engine.ask('POST', `/containers/${name}/stop?t=5`);
      await until('the broker to be stopped', async () => !(await engine.inspect(name)).running);
    },
    kill: async (signal) => {
      await engine.ask('POST', `/containers/${name}/kill?signal=${signal}`);
      await until('the broker to be dead', async () => !(await engine.inspect(name)).running);
    },
    remove: async () => {
      await engine.call('DELETE', `/containers/${name}?force=true&v=true`);
    },
  };
}
