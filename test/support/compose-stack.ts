/**
 * A compose file of this repository started as it is, with images under the names that it gives them: those of others are
 * made of the programs of this machine, as theirs are laid out. Only in the second world: its engine may have them.
 */

import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as v from 'valibot';
import { programsWithLibraries } from '../../lab/broker-image.ts';
import { LINE, type LogLine } from '../../lab/daemon.ts';
import { until } from '../../lab/until.ts';
import { at, isMapping, parseCompose } from './compose-file.ts';
import { REPOSITORY } from './shipping.ts';

export interface ComposeStack {
  /** `docker compose …` in it. */
  compose(...args: readonly string[]): Promise<string>;
  /** What the watcher that runs now has said. */
  log(): Promise<readonly LogLine[]>;
  /** The first line with this event after the first `skip` of them. */
  says(event: string, skip?: number): Promise<LogLine>;
  /** What the engine's health check says of the broker. */
  brokerHealth(): Promise<string>;
  /** Where the engine publishes the watcher's port: `127.0.0.1:9090`. */
  metricsAddress(): Promise<string>;
}

/** What stands in for the gateway, so that containers find the upstream of the test on this machine. */
const SUBNET = '172.31.77.0/24';
export const GATEWAY = '172.31.77.1';

const run = promisify(execFile);

/** Lays the stack out in `directory` and starts nothing. The upstream of the files is at `upstreamPort` of the gateway. */
export async function createComposeStack(
  directory: string,
  file: string,
  upstream: {
    readonly certs: string;
    readonly port: number;
    readonly settings: Readonly<Record<string, string>>;
    /** in two phases: what the broker reads */
    readonly live?: string;
  },
): Promise<ComposeStack> {
  const root = await mkdtemp(join(directory, 'stack-'));
  await cp(join(REPOSITORY, 'deploy'), join(root, 'deploy'), { recursive: true });
  await cp(join(REPOSITORY, 'docker-compose.yml'), join(root, 'docker-compose.yml'));
  const socket = process.env['E2E_DOCKER_SOCK'] ?? '/var/run/docker.sock';
  const { gid } = await stat(socket);
  await changed(join(root, 'deploy/mosquitto/mosquitto.conf'), [
    ['example.com:8883', `example.com:${upstream.port}`],
  ]);
  const source = await changed(join(root, file), [
    ['/etc/mosquitto/certs', upstream.certs],
    ...(upstream.live === undefined ? [] : ([['/etc/mosquitto/live', upstream.live]] as const)),
    ['/var/run/docker.sock:', `${socket}:`],
    [':998"', `:${gid}"`],
    ['example.com:8883', `example.com:${upstream.port}`],
  ]);
  const override = join(root, dirname(file), 'override.yml');
  await writeFile(override, overrideFor(source, upstream.settings));
  const files = ['-f', join(root, file), '-f', override];
  const compose = async (...args: readonly string[]) =>
    (await run('docker', ['compose', '-p', 'cert-watcher-e2e', ...files, ...args])).stdout;

  async function log() {
    const { stdout } = await run('docker', ['logs', 'mosquitto-cert-watcher']);
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => v.parse(LINE, JSON.parse(line)));
  }

  async function says(event: string, skip = 0): Promise<LogLine> {
    let lines: readonly LogLine[] = [];
    const look = async () => {
      lines = await log();
      return lines.filter((line) => line.event === event)[skip];
    };
    const otherwise = () => lines.map((line) => JSON.stringify(line)).join('\n');
    return until(`"${event}" in the log of the stack`, look, { withinMs: 45_000, everyMs: 250, otherwise });
  }

  const inspect = async (container: string, format: string) =>
    (await run('docker', ['inspect', '--format', format, container])).stdout.trim();

  return {
    compose,
    log,
    says,
    brokerHealth: () => inspect('eclipse-mosquitto', '{{.State.Health.Status}}'),
    metricsAddress: async () =>
      (await run('docker', ['port', 'mosquitto-cert-watcher', '9090'])).stdout.trim(),
  };
}

/** Every text has to be there to be replaced; resolves with the file as it is then. */
async function changed(file: string, replacements: readonly (readonly [from: string, to: string])[]) {
  let content = await readFile(file, 'utf8');
  for (const [from, to] of replacements) {
    if (!content.includes(from)) throw new Error(`${file} does not say ${from} any more`);
    content = content.replaceAll(from, to);
  }
  await writeFile(file, content);
  return content;
}

/** What a test needs to be otherwise: short windows, and the upstream's name for the gateway of the network. */
function overrideFor(source: string, settings: Readonly<Record<string, string>>): string {
  const services = at(parseCompose(source), 'services');
  const names = isMapping(services) ? Object.keys(services) : [];
  const hosts = ['    extra_hosts:', `      - "broker.example.com:${GATEWAY}"`];
  const environment = Object.entries(settings).map(([name, value]) => `      ${name}: "${value}"`);
  return [
    'services:',
    ...names.flatMap((name) => [
      `  ${name}:`,
      ...hosts,
      ...(name === 'mosquitto-cert-watcher' ? ['    environment:', ...environment] : []),
    ]),
    'networks:',
    '  edge:',
    '    ipam:',
    '      config:',
    `        - subnet: ${SUBNET}`,
    `          gateway: ${GATEWAY}`,
    '',
  ].join('\n');
}

/** The official broker as it is laid out: a user of its own, an entry point that hands over, its client, a busybox. */
export async function makeOfficialBroker(directory: string): Promise<void> {
  const dockerfile = `FROM scratch
COPY root/ /
COPY --chown=1883:1883 mosquitto/ /mosquitto/
VOLUME ["/mosquitto/data", "/mosquitto/log"]
EXPOSE 1883
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]
`;
  const files = {
    'root/docker-entrypoint.sh': '#!/bin/sh\nset -e\nexec "$@"\n',
    'root/etc/passwd': 'root:x:0:0::/:/bin/sh\nmosquitto:x:1883:1883::/:/bin/false\n',
    'root/etc/group': 'root:x:0:\nmosquitto:x:1883:\n',
    'mosquitto/data/.keep': '',
    'mosquitto/log/.keep': '',
    'mosquitto/config/.keep': '',
  };
  const programs = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto_sub', '/usr/bin/mosquitto_pub'];
  await build(join(directory, 'mosquitto'), 'eclipse-mosquitto:2', dockerfile, files, programs);
}

/** HAProxy's image: its user, and its program as the command. */
export async function makeOfficialHaproxy(directory: string): Promise<void> {
  const dockerfile = `FROM scratch
COPY root/ /
USER 99
CMD ["/usr/sbin/haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
`;
  const files = { 'root/etc/passwd': 'haproxy:x:99:99::/:/bin/false\n' };
  await build(join(directory, 'haproxy'), 'haproxy:3.0-alpine', dockerfile, files, ['/usr/sbin/haproxy']);
}

async function build(
  context: string,
  tag: string,
  dockerfile: string,
  files: Readonly<Record<string, string>>,
  programs: readonly string[],
): Promise<void> {
  const put = async (name: string, content: string | Buffer) => {
    await mkdir(dirname(join(context, name)), { recursive: true });
    await writeFile(join(context, name), content, { mode: 0o755 });
  };
  await put('Dockerfile', dockerfile);
  for (const [name, content] of Object.entries(files)) await put(name, content);
  for (const { path, content } of await programsWithLibraries(programs)) await put(`root${path}`, content);
  await put('root/bin/sh', await readFile('/bin/busybox'));
  await run('docker', ['build', '--quiet', '--tag', tag, context]);
}
