/** A Docker Swarm of one node, by an engine of the test's own: a swarm is a matter of the whole engine. */

import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { ensureBrokerImage } from '../../lab/broker-image.ts';
import type { EngineApi } from '../../lab/engine-api.ts';
import { until } from '../../lab/until.ts';
import { createDockerd, type DockerdOptions, type OwnEngine } from './dockerd.ts';

export interface Swarm {
  readonly engine: OwnEngine;
  /** A service of Mosquittos that mount these certificates. All its tasks run. */
  service(certs: string, options?: ServiceOptions): Promise<Service>;
}

export interface ServiceOptions {
  readonly replicas?: number;
  readonly failureAction?: 'pause' | 'rollback' | 'continue';
  /** one task for each node, in the network of the node */
  readonly onePerNode?: boolean;
}

export interface Service {
  readonly name: string;
  /** How often the swarm has begun an update of it, by its own events. */
  updates(): Promise<number>;
  state(): Promise<ServiceNow>;
  /** Breaks or repairs the configuration that tasks read when they start. */
  breakConfiguration(isBroken: boolean): Promise<void>;
}

const SERVICE = v.object({
  Spec: v.object({
    Labels: v.nullish(v.record(v.string(), v.string())),
    TaskTemplate: v.object({ ForceUpdate: v.optional(v.number(), 0) }),
  }),
  UpdateStatus: v.nullish(v.object({ State: v.optional(v.string()) })),
});

export interface ServiceNow {
  readonly labels: Readonly<Record<string, string>>;
  readonly forceUpdate: number;
  readonly update: string | undefined;
}

const TASKS = v.array(v.object({ Status: v.object({ State: v.string() }) }));

const EVENT = v.object({ Actor: v.object({ Attributes: v.record(v.string(), v.string()) }) });

const CONFIGURATION = 'user root\nallow_anonymous true\nlistener 1883 127.0.0.1\n';

/** An engine that keeps everything in `directory`, and manages a swarm of its own. */
export async function createSwarm(directory: string, options: DockerdOptions = {}): Promise<Swarm> {
  const engine = await createDockerd(join(directory, 'engine'), { liveRestore: false, ...options });
  await engine.start();
  const { api } = engine;
  // swarms listen at fixed ports as well: another one on this machine has another address
  const address = `127.77.${randomInt(256)}.${randomInt(1, 255)}`;
  await api.ask('POST', '/swarm/init', { ListenAddr: `${address}:2377`, AdvertiseAddr: address });
  return { engine, service: (certs, options) => createService(directory, () => api, certs, options) };
}

/**
 * A service of Mosquittos, made and looked at by whichever manager `api` names at that moment. All its tasks run: one that
 * is still to start would read whatever a test does to its configuration next.
 */
export async function createService(
  directory: string,
  api: () => EngineApi,
  certs: string,
  { replicas = 3, failureAction, onePerNode = false }: ServiceOptions = {},
): Promise<Service> {
  const name = `mqtt-${randomBytes(4).toString('hex')}`;
  const config = join(directory, name);
  await mkdir(config);
  const breakConfiguration = (isBroken: boolean) =>
    writeFile(join(config, 'mosquitto.conf'), isBroken ? 'no such option\n' : CONFIGURATION);
  await breakConfiguration(false);
  const mount = (Source: string, Target: string) => ({ Type: 'bind', Source, Target, ReadOnly: true });
  const rules = { Parallelism: 1, Delay: 0, Monitor: 1e9, MaxFailureRatio: 0, Order: 'stop-first' };
  // an update that is to fail fails by its first task: both leave a busy machine the time to notice
  const [Delay, Monitor] = failureAction === undefined ? [rules.Delay, rules.Monitor] : [5e9, 5e9];
  await api().ask('POST', '/services/create', {
    Name: name,
    TaskTemplate: {
      ContainerSpec: {
        Image: await ensureBrokerImage(api()),
        Args: ['/usr/sbin/mosquitto', '-c', '/config/mosquitto.conf'],
        Mounts: [mount(certs, '/certs'), mount(config, '/config')],
      },
      RestartPolicy: { Condition: 'any', Delay: 200e6 },
      // with the network of its node, so that no network of the swarm is needed
      ...(onePerNode && { Placement: { MaxReplicas: 1 }, Networks: [{ Target: 'host' }] }),
    },
    Mode: { Replicated: { Replicas: replicas } },
    UpdateConfig: { ...rules, Delay, Monitor, FailureAction: failureAction ?? 'pause' },
    RollbackConfig: rules,
  });
  const wanted = encodeURIComponent(JSON.stringify({ service: [name], 'desired-state': ['running'] }));
  await until(`${replicas} tasks of ${name} to run`, async () => {
    const tasks = v.parse(TASKS, JSON.parse(await api().ask('GET', `/tasks?filters=${wanted}`)));
    return tasks.filter(({ Status: { State: state } }) => state === 'running').length === replicas;
  });
  return {
    name,
    breakConfiguration,
    async state() {
      const { Spec: spec, UpdateStatus: status } = v.parse(
        SERVICE,
        JSON.parse(await api().ask('GET', `/services/${name}`)),
      );
      return {
        labels: spec.Labels ?? {},
        forceUpdate: spec.TaskTemplate.ForceUpdate,
        update: status?.State,
      };
    },
    async updates() {
      const filters = encodeURIComponent(JSON.stringify({ type: ['service'] }));
      const until = Math.ceil(Date.now() / 1_000) + 1;
      const text = await api().ask('GET', `/events?since=1&until=${until}&filters=${filters}`);
      const events = text
        .split('\n')
        .filter(Boolean)
        .map((line) => v.parse(EVENT, JSON.parse(line)).Actor.Attributes);
      return events.filter((each) => each['name'] === name && each['updatestate.new'] === 'updating').length;
    },
  };
}
