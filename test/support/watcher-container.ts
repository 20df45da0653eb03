/** The watcher's image in a container, with what a compose file says about it. */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { LINE, type LogLine } from '../../lab/daemon.ts';
import type { ContainerState, EngineApi } from '../../lab/engine-api.ts';
import { until } from '../../lab/until.ts';
import { at, list, type Node, parseCompose, text, texts } from './compose-file.ts';
import { REPOSITORY } from './shipping.ts';

export interface WatcherContainer {
  readonly name: string;
  /** Its whole log; rejects if there is a line that is not of the promised shape. */
  log(): Promise<readonly LogLine[]>;
  /** The first line with this event. */
  says(event: string): Promise<LogLine>;
  inspect(): Promise<ContainerState>;
  /** as this machine sees it */
  pid(): Promise<number>;
  /** As `docker stop`, with five seconds before SIGKILL. */
  stop(): Promise<void>;
  remove(): Promise<void>;
}

export interface ContainerChanges {
  /** win over those of the compose file */
  readonly settings: Readonly<Record<string, string>>;
  /** what lies where the compose file mounts something, by the path inside: `/certs` */
  readonly mounts: Readonly<Record<string, string>>;
  readonly user?: string;
  /** lines for /etc/hosts: `name:address` */
  readonly hosts?: readonly string[];
}

/** What this compose file says about the watcher. */
export async function watcherOf(composeFile: string): Promise<Node> {
  const source = await readFile(join(REPOSITORY, composeFile), 'utf8');
  return at(parseCompose(source), 'services', 'mosquitto-cert-watcher');
}

/** Starts the image that the compose file names, in the network of this machine. */
export async function startWatcherContainer(
  engine: EngineApi,
  service: Node,
  changes: ContainerChanges,
): Promise<WatcherContainer> {
  const name = `cert-watcher-e2e-image-${process.pid}-${randomBytes(4).toString('hex')}`;
  await engine.ask('POST', `/containers/create?name=${name}`, specification(service, changes));
  await engine.ask('POST', `/containers/${name}/start`);
  const log = () => logOf(engine, name);

  async function says(event: string): Promise<LogLine> {
    let lines: readonly LogLine[] = [];
    const look = async () => {
      lines = await log();
      return lines.find((line) => line.event === event);
    };
    const otherwise = () => lines.map((line) => JSON.stringify(line)).join('\n');
    return until(`"${event}" in the log of the image`, look, { everyMs: 50, otherwise });
  }

  return {
    name,
    log,
    says,
    inspect: () => engine.inspect(name),
    pid: async () => {
      const { State: state } = v.parse(PID, JSON.parse(await engine.ask('GET', `/containers/${name}/json`)));
      return state.Pid;
    },
    stop: async () => {
      await engine.ask('POST', `/containers/${name}/stop?t=5`);
    },
    remove: async () => {
      await engine.call('DELETE', `/containers/${name}?force=true&v=true`);
    },
  };
}

const PID = v.object({ State: v.object({ Pid: v.number() }) });

/** For a health check that is waited for. The command is the image's own. */
const OFTEN = { Interval: 300e6, Timeout: 10e9, StartPeriod: 1e9, Retries: 3 };

/** The compose file's words in the engine's. */
function specification(service: Node, { settings, mounts, user, hosts = [] }: ContainerChanges): object {
  const environment = { ...texts(at(service, 'environment')), ...settings };
  return {
    Image: text(at(service, 'image')),
    User: user ?? text(at(service, 'user')),
    Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    Healthcheck: OFTEN,
    HostConfig: {
      NetworkMode: 'host',
      ExtraHosts: hosts,
      Binds: bindsOf(list(at(service, 'volumes')), mounts),
      GroupAdd: list(at(service, 'group_add')),
      ReadonlyRootfs: text(at(service, 'read_only')) === 'true',
      CapDrop: list(at(service, 'cap_drop')),
      SecurityOpt: list(at(service, 'security_opt')),
      Memory: Number.parseInt(text(at(service, 'mem_limit')), 10) * 1_024 ** 2,
      RestartPolicy: { Name: text(at(service, 'restart')) },
    },
  };
}

/** `/etc/mosquitto/certs:/certs:ro` with another source, and everything behind it as it is. */
function bindsOf(volumes: readonly string[], mounts: Readonly<Record<string, string>>): string[] {
  const known = volumes.map((volume) => {
    const [, target = '', ...options] = volume.split(':');
    const source = mounts[target];
    if (source === undefined) throw new Error(`nothing is said about the mount ${volume}`);
    return [source, target, ...options].join(':');
  });
  const targets = volumes.map((volume) => volume.split(':')[1]);
  const added = Object.entries(mounts).filter(([target]) => !targets.includes(target));
  return [...known, ...added.map(([target, source]) => `${source}:${target}:ro`)];
}

/** The engine puts eight bytes before what was written at once; our lines begin with a brace behind them. */
async function logOf(engine: EngineApi, name: string): Promise<LogLine[]> {
  const raw = await engine.ask('GET', `/containers/${name}/logs?stdout=1&stderr=1`);
  const lines = raw.split('\n').filter((line) => line !== '');
  return lines.map((line) => v.parse(LINE, JSON.parse(line.slice(line.indexOf('{"timestamp"')))));
}
