/**
 * A machine that runs systemd, in a container of the real engine: Debian with its own Mosquitto package, polkit and
 * D-Bus, from the archive that `scripts/systemd-world.sh` brings. Like a machine without a network, which is booted for
 * a test and thrown away.
 *
 *     const machine = await bootSystemd(engine);
 *     await machine.sh('systemctl start mosquitto');
 *     await machine.journal('mosquitto.service');
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as v from 'valibot';
import { createEngineApi, type EngineApi } from './engine-api.ts';
import { until } from './until.ts';

const SCRIPT = fileURLToPath(new URL('../scripts/systemd-world.sh', import.meta.url));

/** With a host, so that Docker and Podman mean the same by it. */
const REPOSITORY = 'localhost/mosquitto-cert-watcher-systemd';

export interface RunOptions {
  /** root unless told; `NAME`, `UID` or `UID:GID` */
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface JournalEntry {
  readonly atMs: number;
  readonly message: string;
  /** 0 to 7, as syslog counts */
  readonly priority: number;
  /** who wrote it: `systemd`, or the program of the unit */
  readonly identifier: string;
  /** the unit's invocation that it belongs to, for what systemd says about a unit as well */
  readonly invocation: string | undefined;
  /** systemd's name for the kind of message: 39f53479d3a045ac8e11786248231fbf when a unit has been started */
  readonly messageId: string | undefined;
}

export interface SystemdMachine {
  /** the container's */
  readonly name: string;
  /** The command line that runs something inside; its own options first. */
  inside(command: readonly string[], options?: RunOptions): readonly string[];
  /** Runs a program inside; any exit code is an answer. */
  run(command: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs a script of the shell that has to succeed, and returns what it printed. */
  sh(script: string, options?: RunOptions): Promise<string>;
  /** Starts a program that goes on; killing it kills only this end of it. */
  spawn(command: readonly string[], options?: RunOptions): ChildProcess;
  /** Writes a file, with its directories; root's, and 0644 unless told. */
  write(path: string, content: string | Buffer, mode?: number): Promise<void>;
  /** Copies a file of this machine; root's, and 0755 unless told. */
  copyIn(from: string, to: string, mode?: number): Promise<void>;
  /** What a unit's processes have written and what systemd has said about it, oldest first. */
  journal(unit: string): Promise<readonly JournalEntry[]>;
  /** How often systemd has started the unit, by its journal. */
  starts(unit: string): Promise<number>;
  /** Turns the machine off, whatever runs in it. */
  remove(): Promise<void>;
}

export interface BootOptions {
  /** Debian 12, `bookworm`, unless told here or by SYSTEMD_SUITE */
  readonly suite?: 'bookworm' | 'trixie';
  /** what it has beside the rest */
  readonly with?: 'podman';
  /** directories of this machine to be seen inside, as the engine takes them: `/here:/there:ro` */
  readonly binds?: readonly string[];
}

/** systemd's SD_MESSAGE_UNIT_STARTED */
const UNIT_STARTED = '39f53479d3a045ac8e11786248231fbf';

let booted = 0;

/** Boots a machine, and waits until it has. The first one needs the archive: a minute or two. */
export async function bootSystemd(engine: EngineApi, options: BootOptions = {}): Promise<SystemdMachine> {
  const image = await ensureSystemdImage(engine, options);
  const name = `cert-watcher-systemd-${process.pid}-${++booted}-${Date.now()}`;
  await engine.ask('POST', `/containers/create?name=${name}`, {
    Image: image,
    Hostname: 'edge',
    Cmd: ['/init'],
    Env: ['container=docker'],
    StopSignal: 'SIGRTMIN+3',
    HostConfig: {
      NetworkMode: 'none',
      CgroupnsMode: 'private',
      CapAdd: ['SYS_ADMIN', 'NET_ADMIN', 'SYS_PTRACE'],
      SecurityOpt: ['seccomp=unconfined', 'apparmor=unconfined'],
      MaskedPaths: [],
      ReadonlyPaths: [],
      Tmpfs: { '/run': '', '/run/lock': '', '/tmp': 'exec' },
      Binds: options.binds ?? [],
    },
  });
  const machine = machineIn(engine, name);
  try {
    await engine.ask('POST', `/containers/${name}/start`);
    await waitUntilBooted(machine);
  } catch (error) {
    await machine.remove();
    throw error;
  }
  return machine;
}

async function waitUntilBooted(machine: SystemdMachine): Promise<void> {
  let state = '';
  await until(
    'systemd to have booted',
    async () => {
      const { stdout, stderr } = await machine.run(['systemctl', 'is-system-running']);
      state = stdout.trim() || stderr.trim();
      return state === 'running';
    },
    { withinMs: 60_000, everyMs: 200, otherwise: () => `it says: ${state}` },
  );
}

function machineIn(engine: EngineApi, name: string): SystemdMachine {
  function inside(command: readonly string[], { user, env = {}, input }: RunOptions = {}): readonly string[] {
    return [
      ...['docker', '--host', `unix://${engine.socketPath}`, 'exec'],
      ...(input === undefined ? [] : ['--interactive']),
      ...(user === undefined ? [] : ['--user', user]),
      ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
      name,
      ...command,
    ];
  }

  const start = (command: readonly string[], options: RunOptions = {}) => {
    const [program = 'docker', ...args] = inside(command, options);
    return spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  };

  async function run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const child = start(command, options);
    const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    child.stdout.on('data', (chunk: Buffer) => chunks.stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.stderr.push(chunk));
    // a program that does not read its input may end before it has all of it
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => resolve(status ?? -1));
    });
    const text = (of: Buffer[]) => Buffer.concat(of).toString('utf8');
    return { code, stdout: text(chunks.stdout), stderr: text(chunks.stderr) };
  }

  async function sh(script: string, options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await run(['sh', '-euc', script], options);
    if (code !== 0) throw new Error(`${script}\nended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  async function write(path: string, content: string | Buffer, mode = 0o644): Promise<void> {
    const quoted = `'${path}'`;
    const octal = mode.toString(8);
    await sh(
      `mkdir -p "$(dirname ${quoted})"; cat >${quoted}.part; chmod ${octal} ${quoted}.part; mv ${quoted}.part ${quoted}`,
      { input: content },
    );
  }

  const journal = async (unit: string) => journalEntries(await sh(`journalctl -o json --unit '${unit}'`));
  return {
    name,
    inside,
    run,
    sh,
    spawn: start,
    write,
    copyIn: async (from, to, mode = 0o755) => write(to, await readFile(from), mode),
    journal,
    starts: async (unit) =>
      (await journal(unit)).filter(({ messageId }) => messageId === UNIT_STARTED).length,
    remove: async () => {
      await engine.call('DELETE', `/containers/${name}?force=true&v=true`);
    },
  };
}

const ENTRY = v.object({
  __REALTIME_TIMESTAMP: v.string(),
  // an array of bytes where it is not text
  MESSAGE: v.nullish(v.union([v.string(), v.array(v.number())])),
  PRIORITY: v.optional(v.string(), '6'),
  SYSLOG_IDENTIFIER: v.optional(v.string(), ''),
  _SYSTEMD_INVOCATION_ID: v.optional(v.string()),
  INVOCATION_ID: v.optional(v.string()),
  MESSAGE_ID: v.optional(v.string()),
});

function journalEntries(text: string): JournalEntry[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const entry = v.parse(ENTRY, JSON.parse(line));
    const { MESSAGE: message } = entry;
    return {
      atMs: Number(entry.__REALTIME_TIMESTAMP) / 1_000,
      message: Array.isArray(message) ? Buffer.from(message).toString('utf8') : (message ?? ''),
      priority: Number(entry.PRIORITY),
      identifier: entry.SYSLOG_IDENTIFIER,
      invocation: entry.INVOCATION_ID ?? entry._SYSTEMD_INVOCATION_ID,
      messageId: entry.MESSAGE_ID,
    };
  });
}

const images = new Map<string, Promise<string>>();

/** The name of the image in this engine, made of the archive if it is not there yet. It is kept for the next run. */
export function ensureSystemdImage(
  engine: EngineApi,
  { suite, with: extra }: Pick<BootOptions, 'suite' | 'with'> = {},
): Promise<string> {
  const world = { SUITE: suite ?? process.env['SYSTEMD_SUITE'] ?? 'bookworm', WITH: extra ?? '' };
  const key = `${engine.socketPath} ${world.SUITE} ${world.WITH}`;
  const known = images.get(key) ?? makeImage(engine, world);
  images.set(key, known);
  return known;
}

async function makeImage(
  engine: EngineApi,
  world: { readonly SUITE: string; readonly WITH: string },
): Promise<string> {
  const { stdout } = await promisify(execFile)(SCRIPT, [], { env: { ...process.env, ...world } });
  const archive = stdout.trim();
  const kind = world.WITH === '' ? world.SUITE : `${world.SUITE}-${world.WITH}`;
  const repository = `${REPOSITORY}-${kind}-${basename(archive, '.tar')}`;
  const name = `${repository}:latest`;
  const { status } = await engine.call('GET', `/images/${name}/json`);
  if (status !== 200) await importArchive(engine, archive, repository);
  return name;
}

/** The archive is too large to be held in memory. */
async function importArchive(engine: EngineApi, archive: string, repository: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const outgoing = request({
      socketPath: engine.socketPath,
      host: 'localhost',
      method: 'POST',
      path: `/images/create?fromSrc=-&repo=${repository}&tag=latest`,
      headers: { 'content-type': 'application/x-tar' },
      agent: false,
    });
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      incoming.on('error', reject);
      incoming.on('end', () => {
        if (incoming.statusCode === 200 && !text.includes('"error"')) resolve();
        else reject(new Error(`could not import ${archive}: ${incoming.statusCode} ${text}`));
      });
    });
    createReadStream(archive).on('error', reject).pipe(outgoing);
  });
}

// to look around in one: node lab/systemd.ts
if (import.meta.main) {
  const machine = await bootSystemd(
    createEngineApi(process.env['E2E_DOCKER_SOCK'] ?? '/var/run/docker.sock'),
  );
  process.stdout.write(`${machine.inside(['bash']).join(' ')}\n`);
}
