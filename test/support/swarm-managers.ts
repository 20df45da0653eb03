/**
 * A swarm of three managers on this machine: three engines, each in a network name space of its own, joined by a bridge in
 * a fourth one. The network of the machine has no part in it. Needs root.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as v from 'valibot';
import { ensureBrokerImage } from '../../lab/broker-image.ts';
import { until } from '../../lab/until.ts';
import { createDockerd, type OwnEngine } from './dockerd.ts';
import { createService, type Service } from './swarm.ts';

export interface Manager {
  readonly engine: OwnEngine;
  /** Whether it leads, as it says itself. */
  leads(): Promise<boolean>;
  /** Everything that runs on this node dies at once, as with the power. Its engine may be started again. */
  crash(): Promise<void>;
}

export interface Managers {
  readonly all: readonly Manager[];
  /** The one that leads; waits for an election. */
  leader(): Promise<Manager>;
  /** One task for each node, all with these certificates. */
  service(certs: string): Promise<Service>;
  /** Waits until every node is ready and runs its task of the service. */
  whole(service: Service): Promise<void>;
  end(): Promise<void>;
}

const COUNT = 3;
const PORT = 2377;
const run = promisify(execFile);

const TOKENS = v.object({ JoinTokens: v.object({ Manager: v.string() }) });
const INFO = v.object({ Swarm: v.object({ NodeID: v.string() }) });
const NODES = v.array(
  v.object({
    ID: v.string(),
    Status: v.object({ State: v.string() }),
    ManagerStatus: v.nullish(v.object({ Leader: v.optional(v.boolean(), false) })),
  }),
);
const TASKS = v.array(
  v.object({
    NodeID: v.optional(v.string(), ''),
    Status: v.object({ State: v.string(), Err: v.optional(v.string(), '') }),
  }),
);

/** Starts the three engines in `directory` and makes them managers of one swarm. */
export async function createManagers(directory: string): Promise<Managers> {
  const spaces: ChildProcess[] = [];
  const engines: OwnEngine[] = [];

  async function end() {
    await Promise.all(engines.map((engine) => engine.end()));
    for (const space of spaces) space.kill('SIGKILL');
  }

  try {
    const hub = await networkSpace(spaces);
    await within(hub, 'ip', 'link', 'add', 'hub', 'type', 'bridge');
    await within(hub, 'ip', 'link', 'set', 'hub', 'up');
    for (let index = 0; index < COUNT; index += 1) {
      const space = await networkSpace(spaces);
      const link = `node${index}`;
      const peer = ['peer', 'name', 'eth0', 'netns', String(space.pid)];
      await within(hub, 'ip', 'link', 'add', link, 'type', 'veth', ...peer);
      await within(hub, 'ip', 'link', 'set', link, 'master', 'hub', 'up');
      await within(space, 'ip', 'link', 'set', 'lo', 'up');
      await within(space, 'ip', 'address', 'add', `${addressOf(index)}/24`, 'dev', 'eth0');
      await within(space, 'ip', 'link', 'set', 'eth0', 'up');
      // only the network: `ip netns exec` would also hide the cgroups
      const wrapper = ['nsenter', `--net=/proc/${space.pid}/ns/net`];
      engines.push(await createDockerd(join(directory, link), { liveRestore: false, wrapper }));
    }
    await Promise.all(engines.map((engine) => engine.start()));
    await Promise.all(engines.map((engine) => ensureBrokerImage(engine.api)));
    await join3(engines);
  } catch (error) {
    await end();
    throw error;
  }

  const all = engines.map((engine, index): Manager => {
    const space = spaces[index + 1];
    const crash = async () => {
      for (const pid of await processesIn(space)) process.kill(pid, 'SIGKILL');
      await engine.died();
    };
    return { engine, leads: () => leads(engine), crash };
  });

  async function leader(): Promise<Manager> {
    return until(
      'the swarm to have a leader',
      async () => {
        for (const manager of all) if (await manager.leads()) return manager;
        return undefined;
      },
      { withinMs: 60_000, everyMs: 250 },
    );
  }

  /** Any manager that answers for the swarm. */
  let asked = engines[0];
  const api = () => {
    if (asked === undefined) throw new Error('no manager');
    return asked.api;
  };
  const askAnother = async () => {
    asked = (await leader()).engine;
  };

  /** what the swarm has said last */
  let seen: unknown;

  /** The nodes that are not ready, or run no task of the service. */
  async function lameNodes({ name }: Service): Promise<readonly string[]> {
    const filters = encodeURIComponent(JSON.stringify({ service: [name], 'desired-state': ['running'] }));
    const { engine } = await leader();
    const nodes = v.parse(NODES, JSON.parse(await engine.api.ask('GET', '/nodes')));
    const tasks = v.parse(TASKS, JSON.parse(await engine.api.ask('GET', `/tasks?filters=${filters}`)));
    seen = { nodes, tasks };
    const isRunning = (node: string) =>
      tasks.some(({ NodeID: on, Status: { State: state } }) => on === node && state === 'running');
    return nodes
      .filter(({ ID: id, Status: { State: state } }) => state !== 'ready' || !isRunning(id))
      .map(({ ID: id }) => id);
  }

  return {
    all,
    leader,
    end,
    service: async (certs) => {
      await askAnother();
      const service = await createService(directory, api, certs, {
        replicas: COUNT,
        onePerNode: true,
        // a task that dies with its node says nothing of the others
        failureAction: 'continue',
      });
      const state = async () => {
        await askAnother();
        return service.state();
      };
      return { ...service, state };
    },
    whole: async (service) => {
      const isWhole = async () => (await lameNodes(service)).length === 0;
      const otherwise = () => JSON.stringify(seen, undefined, 1);
      await until('all nodes and tasks to be well', isWhole, { withinMs: 200_000, everyMs: 500, otherwise });
    },
  };
}

/** The first makes the swarm, the others join it. */
async function join3([first, ...others]: readonly OwnEngine[]): Promise<void> {
  if (first === undefined) return;
  const addresses = (index: number) => ({
    ListenAddr: `${addressOf(index)}:${PORT}`,
    AdvertiseAddr: addressOf(index),
  });
  await first.api.ask('POST', '/swarm/init', addresses(0));
  const { JoinTokens: tokens } = v.parse(TOKENS, JSON.parse(await first.api.ask('GET', '/swarm')));
  for (const [index, { api }] of others.entries()) {
    const remote = { RemoteAddrs: [`${addressOf(0)}:${PORT}`], JoinToken: tokens.Manager };
    await api.ask('POST', '/swarm/join', { ...addresses(index + 1), ...remote });
  }
}

function addressOf(index: number): string {
  return `10.213.77.${index + 1}`;
}

async function leads({ api }: OwnEngine): Promise<boolean> {
  try {
    const { Swarm: self } = v.parse(INFO, JSON.parse(await api.ask('GET', '/info')));
    const nodes = v.parse(NODES, JSON.parse(await api.ask('GET', '/nodes')));
    return nodes.some(({ ID: id, ManagerStatus: status }) => id === self.NodeID && status?.Leader === true);
  } catch {
    // it is down, or has no quorum
    return false;
  }
}

/** A network name space, kept by a process that does nothing. */
async function networkSpace(spaces: ChildProcess[]): Promise<ChildProcess> {
  const keeper = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  spaces.push(keeper);
  // from here on it is in its own
  await once(keeper.stdout, 'data');
  return keeper;
}

/** Engine, shims and tasks: all of them are in the network of their node. The keeper of it stays. */
async function processesIn(space: ChildProcess | undefined): Promise<number[]> {
  const networkOf = (pid: string | number | undefined) =>
    readlink(`/proc/${pid}/ns/net`).catch(() => undefined);
  const network = await networkOf(space?.pid);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const members = await Promise.all(pids.map(async (pid) => (await networkOf(pid)) === network));
  return pids
    .filter((_, index) => members[index] === true)
    .map(Number)
    .filter((pid) => pid !== space?.pid);
}

async function within({ pid }: ChildProcess, ...command: readonly string[]): Promise<void> {
  await run('nsenter', [`--net=/proc/${pid}/ns/net`, ...command]);
}
