/**
 * A stand-in for the container engine, for machines without one: answers the Engine API calls that the watcher
 * makes, on a unix socket of its own, and runs the broker as a child process. What it says of it is true.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { BrokerHost, HostOptions, Restart } from './broker-host.ts';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import type { MqttAddress } from './mqtt-greeting.ts';

const CONTAINER = 'mosquitto';
const CONTAINER_ID = 'd'.repeat(64);
const API_VERSION = '1.41';

/** An engine's word for a container that has not stopped yet. */
const NEVER = '0001-01-01T00:00:00Z';

/** The engine's grace where the call gives none. */
const DEFAULT_STOP_S = 10;

/** At the end of the demo nobody waits for a broker that is deaf. */
const CLOSE_GRACE_MS = 2_000;

/** Linux takes 107 bytes, macOS 103. */
const LONGEST_SOCKET_PATH = 103;

/** The stand-in, not started yet. */
export function createEngineStandIn({ certDir, workDir, say, onRestart, fail }: HostOptions): BrokerHost {
  const socketPath = join(workDir, 'engine.sock');
  const restarts: Restart[] = [];
  let broker: BrokerProcess | undefined;
  let finishedAt = NEVER;
  let address: MqttAddress | undefined;
  let isClosed = false;
  // one restart at a time, as an engine does for one container
  let lastJob: Promise<void> = Promise.resolve();

  const server = createServer((request, response) => {
    answer(request, response).catch(fail);
  });

  async function start(): Promise<void> {
    if (Buffer.byteLength(socketPath) > LONGEST_SOCKET_PATH) {
      throw new Error(
        `the path ${socketPath} is too long for a socket; set TMPDIR to a shorter one, such as /tmp`,
      );
    }
    server.listen(socketPath);
    await once(server, 'listening');
    await startBroker();
  }

  async function startBroker(): Promise<BrokerProcess> {
    const started = await startBrokerProcess(certDir);
    broker = started;
    started.ready.then(
      ({ port, tls }) => {
        if (broker === started) address = { at: { port }, tls };
      },
      (error: Error) => {
        // an end of the demo while the broker was starting is no news
        if (!isClosed) say(error.message);
      },
    );
    return started;
  }

  function restart(graceMs: number): Promise<void> {
    const job = lastJob.then(async () => {
      if (isClosed) return;
      const beganMs = performance.now();
      const before = broker;
      await before?.stop(graceMs);
      const end = before?.end();
      finishedAt = end?.at.toISOString() ?? finishedAt;
      address = undefined;
      const stopMs = Math.round(performance.now() - beganMs);
      const { pid } = await startBroker();
      restarts.push({ atMs: performance.now() });
      say(
        `restarted: process ${before?.pid} ended (exit code ${end?.exitCode}, ${stopMs} ms), process ${pid} runs`,
      );
      onRestart();
    });
    lastJob = job;
    return job;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://engine');
    const path = pathname.replace(/^\/v\d+\.\d+/, '');
    if (request.method === 'GET' && path === '/_ping') {
      response.writeHead(200, { 'Api-Version': API_VERSION, 'Content-Type': 'text/plain' }).end('OK');
      return;
    }
    const [, container, call] = /^\/containers\/([^/]+)\/(json|restart)$/.exec(path) ?? [];
    const isKnown = request.method === (call === 'json' ? 'GET' : 'POST');
    if (container === undefined || !isKnown) return send(response, 404, { message: 'page not found' });
    if (![CONTAINER, CONTAINER_ID].includes(decodeURIComponent(container))) {
      return send(response, 404, { message: `No such container: ${decodeURIComponent(container)}` });
    }
    if (call === 'json') return send(response, 200, inspection());
    const graceS = Number(searchParams.get('t') ?? DEFAULT_STOP_S);
    await restart(graceS < 0 ? Number.POSITIVE_INFINITY : graceS * 1_000);
    response.writeHead(204).end();
  }

  function inspection() {
    const end = broker?.end();
    return {
      Id: CONTAINER_ID,
      Name: `/${CONTAINER}`,
      State: {
        Status: end === undefined ? 'running' : 'exited',
        Running: end === undefined,
        Paused: false,
        Restarting: false,
        Pid: end === undefined ? broker?.pid : 0,
        ExitCode: end?.exitCode ?? 0,
        StartedAt: broker?.startedAt.toISOString() ?? NEVER,
        FinishedAt: end?.at.toISOString() ?? finishedAt,
      },
      Config: {},
    };
  }

  async function close(): Promise<void> {
    isClosed = true;
    server.closeAllConnections();
    if (server.listening) {
      const closed = once(server, 'close');
      server.close();
      await closed;
    }
    await lastJob;
    await broker?.stop(CLOSE_GRACE_MS);
  }

  return {
    description: 'a stand-in for the container engine on a socket of its own; the broker is a child process',
    engine: `unix://${socketPath}`,
    container: CONTAINER,
    start,
    // this broker looks for certificates by itself
    expectCertificates: () => Promise.resolve(),
    restarts: () => restarts,
    address: () => {
      if (address === undefined) throw new Error('the broker does not listen');
      return address;
    },
    close,
  };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
