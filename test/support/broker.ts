/** A container of the real engine that runs Mosquitto with a bridge that uses the certificates. */

import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureBrokerImage } from './broker-image.ts';
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
  readonly restartPolicy?: 'no' | 'always' | 'on-failure';
  /** a health check that says what the file `healthy` in its configuration directory says */
  readonly healthCheck?: boolean;
  readonly name?: string;
  /** `key=value` */
  readonly labels?: readonly string[];
  /** the network of this machine, and lines for its own /etc/hosts, `name:address`; no network unless told */
  readonly network?: { readonly hosts: readonly string[] };
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

/** A broker that is not there yet; its configuration lies in a directory of its own in `directory`. */
export async function createBroker(
  engine: EngineApi,
  directory: string,
  options: BrokerOptions,
): Promise<Broker> {
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
        Labels: Object.fromEntries((options.labels ?? []).map((label) => label.split('='))),
        HostConfig: {
          NetworkMode: options.network === undefined ? 'none' : 'host',
          ExtraHosts: options.network?.hosts ?? [],
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
