/** The engine as the tests see it: raw API calls, and its own events as the one truth about restarts. */

import { request } from 'node:http';
import * as v from 'valibot';
import { until } from './until.ts';

export interface EngineReply {
  readonly status: number;
  readonly text: string;
}

export interface EngineEvent {
  readonly action: string;
  readonly atMs: number;
  /** of a `die` */
  readonly exitCode: string | undefined;
}

export interface EventLog {
  /** Everything that has happened to the container since the log was opened. */
  all(): readonly EngineEvent[];
  /** How often the engine did this: `restart`, `start`, `die`, `kill`, … */
  count(action: string): number;
  /** The first event of this kind after the first `skip` of them. */
  next(action: string, options?: { skip?: number; withinMs?: number }): Promise<EngineEvent>;
  close(): void;
}

export interface ContainerState {
  readonly status: string;
  readonly running: boolean;
  readonly exitCode: number;
  readonly startedAt: string;
  readonly health: string | undefined;
}

export interface EngineApi {
  readonly socketPath: string;
  /** One call; any status is an answer. */
  call(method: string, path: string, body?: object | Buffer): Promise<EngineReply>;
  /** One call that has to succeed. */
  ask(method: string, path: string, body?: object | Buffer): Promise<string>;
  inspect(container: string): Promise<ContainerState>;
  /** The engine's events about one container, by name, from now on. */
  events(container: string): EventLog;
}

const EVENT = v.object({
  Type: v.optional(v.string()),
  Action: v.string(),
  timeNano: v.number(),
  Actor: v.object({ Attributes: v.optional(v.record(v.string(), v.string()), {}) }),
});

const INSPECTION = v.object({
  State: v.object({
    Status: v.string(),
    Running: v.boolean(),
    ExitCode: v.number(),
    StartedAt: v.string(),
    Health: v.nullish(v.object({ Status: v.string() })),
  }),
});

/** The engine behind a unix socket. */
export function createEngineApi(socketPath: string): EngineApi {
  async function call(method: string, path: string, body?: object | Buffer): Promise<EngineReply> {
    const isTar = Buffer.isBuffer(body);
    const payload = body === undefined ? undefined : isTar ? body : JSON.stringify(body);
    const headers = { 'content-type': isTar ? 'application/x-tar' : 'application/json' };
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath, host: 'localhost', method, path, headers, agent: false });
      outgoing.setTimeout(60_000, () => outgoing.destroy(new Error(`${method} ${path}: no answer`)));
      outgoing.on('error', reject);
      outgoing.on('response', (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
      });
      outgoing.end(payload);
    });
  }

  async function ask(method: string, path: string, body?: object | Buffer): Promise<string> {
    const reply = await call(method, path, body);
    if (reply.status >= 400) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`);
    return reply.text;
  }

  async function inspect(container: string): Promise<ContainerState> {
    const text = await ask('GET', `/containers/${container}/json`);
    const { State: state } = v.parse(INSPECTION, JSON.parse(text));
    return {
      status: state.Status,
      running: state.Running,
      exitCode: state.ExitCode,
      startedAt: state.StartedAt,
      health: state.Health?.Status,
    };
  }

  return {
    socketPath,
    call,
    ask,
    inspect,
    events: (container) => openEventLog(socketPath, container),
  };
}

/** Whether an engine answers behind this socket. */
export async function answersPing(socketPath: string): Promise<boolean> {
  try {
    return (await createEngineApi(socketPath).call('GET', '/_ping')).status === 200;
  } catch {
    return false;
  }
}

function openEventLog(socketPath: string, container: string): EventLog {
  const seen: EngineEvent[] = [];
  // `since` closes the gap between the call and the engine's subscription
  const since = (Date.now() / 1_000).toFixed(3);
  const filters = encodeURIComponent(JSON.stringify({ type: ['container'], container: [container] }));
  const path = `/events?since=${since}&filters=${filters}`;
  const outgoing = request({ socketPath, host: 'localhost', path, agent: false });
  // an engine that is stopped in the test ends its stream
  outgoing.on('error', () => undefined);
  outgoing.on('response', (incoming) => {
    let rest = '';
    incoming.on('error', () => undefined);
    incoming.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) take(line);
    });
  });
  outgoing.end();

  function take(line: string) {
    if (line.trim() === '') return;
    const { Action: action, timeNano, Actor: actor } = v.parse(EVENT, JSON.parse(line));
    if (actor.Attributes['name'] !== container) return;
    const exitCode = actor.Attributes['exitCode'] ?? actor.Attributes['containerExitCode'];
    seen.push({ action, atMs: timeNano / 1e6, exitCode });
  }

  const all = () => seen;
  const of = (action: string) => seen.filter((event) => event.action === action);
  return {
    all,
    count: (action) => of(action).length,
    next: (action, { skip = 0, withinMs } = {}) =>
      until(`the engine's event "${action}" of ${container}`, () => of(action)[skip], {
        ...(withinMs !== undefined && { withinMs }),
        otherwise: () => `the engine's events: ${seen.map((event) => event.action).join(', ')}`,
      }),
    close: () => outgoing.destroy(),
  };
}
