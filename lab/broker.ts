/** A container of the real engine that runs Mosquitto with a bridge that uses the certificates. */

import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureBrokerImage, TINI } from './broker-image.ts';
import type { CertDirectory } from './cert-directory.ts';
import type { ContainerState, EngineApi, EventLog } from './engine-api.ts';
import { until } from './until.ts';

export interface BrokerOptions {
  readonly engine?: EngineApi;
  readonly certs?: CertDirectory;
  /** started unless told */
  readonly started?: boolean;
  readonly stopSignal?: string;
  readonly stopTimeoutS?: number;
  readonly restartPolicy?: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** a health check that says what the file `healthy` in its configuration directory says, with these changes */
  readonly healthCheck?: boolean | Readonly<Record<string, unknown>>;
  /** a line of a Dockerfile by which its image differs */
  readonly imageChange?: string;
  /** a script under an init, which starts the broker and dies of the stop signal */
  readonly underInit?: boolean;
  /** a file of its configuration directory that it cannot be started without */
  readonly needs?: string;
  readonly name?: string;
  /** `key=value` */
  readonly labels?: readonly string[];
  /** no network unless told */
  readonly network?: {
    /** that of this machine unless told */
    readonly mode?: string;
    /** lines for its own /etc/hosts, `name:address` */
    readonly hosts?: readonly string[];
    /** `container:alias` */
    readonly links?: readonly string[];
  };
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
  /** Waits until it has said for the first time that it runs: it has read its configuration then. */
  listens(): Promise<void>;
  /** As an operator does it; it ends with exit code 0, unless it is deaf, or a script under an init. */
  stop(): Promise<void>;
  pause(): Promise<void>;
  unpause(): Promise<void>;
  /** Ends it with a signal. */
  kill(signal: string): Promise<void>;
  /** The file `name` in its configuration directory; `mosquitto.conf` is the broker's. */
  configure(name: string, text: string): Promise<void>;
  /** Removes the file `name` from there. */
  withdraw(name: string): Promise<void>;
  remove(): Promise<void>;
  /** The same container again, as compose makes it. */
  create(): Promise<void>;
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

const BROKER = ['/usr/sbin/mosquitto', '-c', '/config/mosquitto.conf'];

const HEALTH_CHECK = {
  Test: ['CMD', '/bin/sh', '-c', 'test -e /config/healthy'],
  Interval: 200e6,
  Timeout: 5e9,
  Retries: 3,
};

/** A broker that is not there yet; its configuration lies in a directory of its own in `directory`. */
export async function createBroker(
  engine: EngineApi,
  directory: string,
  options: BrokerOptions,
): Promise<Broker> {
  const name = options.name ?? `cert-watcher-e2e-${process.pid}-${randomBytes(4).toString('hex')}`;
  const config = join(directory, name);
  await mkdir(config);
  const configure = async (file: string, text: string) => {
    // a broker that is just starting reads the old one or the new one
    await writeFile(join(config, `.${file}`), text);
    await rename(join(config, `.${file}`), join(config, file));
  };
  await configure('mosquitto.conf', CONFIGURATION);
  if (options.needs !== undefined) await configure(options.needs, '');
  const image = await ensureBrokerImage(engine, options.imageChange);
  const events = engine.events(name);
  return {
    name,
    engine,
    events,
    restarts: () => events.count('restart'),
    configure,
    withdraw: (file) => rm(join(config, file)),
    inspect: () => engine.inspect(name),
    create: async () => {
      await engine.ask('POST', `/containers/create?name=${name}`, {
        Image: image,
        Cmd: options.underInit === true ? [TINI, '--', '/bin/sh', '-c', `${BROKER.join(' ')}; true`] : BROKER,
        ...(options.stopSignal !== undefined && { StopSignal: options.stopSignal }),
        ...(options.stopTimeoutS !== undefined && { StopTimeout: options.stopTimeoutS }),
        ...(options.healthCheck !== undefined && {
          Healthcheck: { ...HEALTH_CHECK, ...(options.healthCheck === true ? {} : options.healthCheck) },
        }),
        Labels: Object.fromEntries((options.labels ?? []).map((label) => label.split('='))),
        HostConfig: {
          NetworkMode: options.network === undefined ? 'none' : (options.network.mode ?? 'host'),
          ExtraHosts: options.network?.hosts ?? [],
          Links: options.network?.links ?? [],
          Binds: [`${options.certs?.path ?? directory}:/certs:ro`, `${config}:/config:ro`],
          Mounts:
            options.needs === undefined
              ? []
              : [{ Type: 'bind', Source: join(config, options.needs), Target: '/needed', ReadOnly: true }],
          RestartPolicy: { Name: options.restartPolicy ?? 'no' },
        },
      });
    },
    start: async () => {
      await engine.ask('POST', `/containers/${name}/start`);
    },
    listens: async () => {
      const hasSaidSo = async () =>
        /mosquitto version \S+ running/.test(
          await engine.ask('GET', `/containers/${name}/logs?stdout=1&stderr=1`),
        );
      await until(`${name} to listen`, hasSaidSo);
    },
    stop: async () => {
      await engine.ask('POST', `/containers/${name}/stop?t=5`);
      await until('the broker to be stopped', async () => !(await engine.inspect(name)).running);
    },
    pause: async () => {
      await engine.ask('POST', `/containers/${name}/pause`);
    },
    unpause: async () => {
      await engine.ask('POST', `/containers/${name}/unpause`);
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
