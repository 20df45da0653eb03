/** The real thing: Mosquitto in a container without a network, on a Docker Engine, made and removed through its API. */

import { rename, writeFile } from 'node:fs/promises';
import { type ClientRequest, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { createEngineApi } from '../lab/engine-api.ts';
import type { BrokerHost, HostOptions, Restart } from './broker-host.ts';
import { MOSQUITTO, packMosquitto } from './mosquitto-image.ts';

const DEFAULT_HOST = 'unix:///var/run/docker.sock';

/** Container and image have the same name, by which they are removed. */
const NAME = `mosquitto-demo-${process.pid}`;

/** Where the directories of the demo are in the container. */
const [CERTS, WORK] = ['/certs', '/demo'];

const EVENT = v.object({
  Action: v.string(),
  Actor: v.object({ Attributes: v.record(v.string(), v.string()) }),
});

/** A broker on the engine at `dockerHost` (`unix://…`, or empty for the usual socket), not made yet. */
export function createDockerEngine(
  { certDir, workDir, say, onRestart, fail }: HostOptions,
  dockerHost: string,
): BrokerHost {
  const host = dockerHost === '' ? DEFAULT_HOST : dockerHost;
  const socketPath = /^unix:\/\/(\/.+)$/.exec(host)?.[1];
  if (socketPath === undefined)
    throw new Error(`DOCKER_HOST=${host}: the demo needs unix:///path/to/docker.sock`);
  const engine = createEngineApi(socketPath);
  const restarts: Restart[] = [];
  let exitCode = '';
  let hasCertificates = false;
  let events: ClientRequest | undefined;
  let isMade = false;
  let isClosed = false;

  async function start(): Promise<void> {
    await engine.ask('GET', '/_ping').catch((error: Error) => {
      throw new Error(`no Docker Engine answers at ${host}: ${error.message}; start one, or set DOCKER_HOST`);
    });
    const archive = await packMosquitto();
    isMade = true;
    const imported = await engine.ask('POST', `/images/create?fromSrc=-&repo=${NAME}&tag=latest`, archive);
    if (imported.includes('"error"')) throw new Error(`the engine does not take the image: ${imported}`);
    await configure();
    await engine.ask('POST', `/containers/create?name=${NAME}`, {
      Image: `${NAME}:latest`,
      Cmd: [MOSQUITTO, '-c', `${WORK}/mosquitto.conf`],
      // so that the broker can read the key, and the demo connect to the broker's socket
      User: `${process.getuid?.()}:${process.getgid?.()}`,
      HostConfig: { NetworkMode: 'none', Binds: [`${certDir}:${CERTS}:ro`, `${workDir}:${WORK}`] },
    });
    events = await followEvents(socketPath ?? '');
    await engine.ask('POST', `/containers/${NAME}/start`);
  }

  /** Mosquitto does not start if its configuration names certificates that are not there. */
  async function configure(): Promise<void> {
    const tls = hasCertificates ? [`certfile ${CERTS}/client.crt`, `keyfile ${CERTS}/client.key`] : [];
    const lines = ['user root', `listener 0 ${WORK}/mqtt.sock`, 'allow_anonymous true', ...tls, ''];
    await writeFile(join(workDir, 'mosquitto.new'), lines.join('\n'));
    await rename(join(workDir, 'mosquitto.new'), join(workDir, 'mosquitto.conf'));
  }

  /** Counts the restarts of our container as the engine tells them. Resolves when it listens. */
  function followEvents(socket: string): Promise<ClientRequest> {
    const filters = JSON.stringify({ type: ['container'], container: [NAME], event: ['die', 'restart'] });
    const path = `/events?filters=${encodeURIComponent(filters)}`;
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath: socket, host: 'localhost', path, agent: false });
      const lost = (error: Error) => {
        reject(error);
        if (!isClosed) fail(new Error(`the engine's events have ended: ${error.message}`));
      };
      outgoing.on('error', lost);
      outgoing.on('response', (incoming) => {
        createInterface({ input: incoming }).on('line', take).on('error', lost);
        resolve(outgoing);
      });
      outgoing.end();
    });
  }

  function take(line: string): void {
    const { Action: action, Actor: actor } = v.parse(EVENT, JSON.parse(line));
    if (action === 'die') exitCode = actor.Attributes['exitCode'] ?? exitCode;
    if (action !== 'restart') return;
    restarts.push({ atMs: performance.now() });
    say(`restarted by the engine: mosquitto ended (exit code ${exitCode}) and was started again`);
    onRestart();
  }

  async function close(): Promise<void> {
    isClosed = true;
    events?.destroy();
    if (!isMade) return;
    await engine.call('DELETE', `/containers/${NAME}?force=true&v=true`);
    await engine.call('DELETE', `/images/${NAME}:latest?force=true`);
  }

  return {
    description: `Mosquitto in a container on the engine at ${host}`,
    engine: host,
    container: NAME,
    start,
    expectCertificates: () => {
      hasCertificates = true;
      return configure();
    },
    restarts: () => restarts,
    address: () => ({ at: { path: join(workDir, 'mqtt.sock') }, tls: hasCertificates }),
    close,
  };
}
