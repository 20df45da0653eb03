/** A real Prometheus with a data directory of its own, and its tool. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { removeTree } from '../../lab/remove-tree.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';

const SAMPLE = v.object({
  metric: v.record(v.string(), v.string()),
  value: v.tuple([v.number(), v.string()]),
});
const ANSWER = v.object({ result: v.array(SAMPLE) });
const NAMES = v.array(v.string());
const ALERTS = v.object({
  alerts: v.array(v.object({ labels: v.object({ alertname: v.string() }), state: v.string() })),
});
const RULES = v.object({
  groups: v.array(v.object({ rules: v.array(v.object({ name: v.string(), health: v.string() })) })),
});

export interface Prometheus {
  /** The series of an instant query; rejects with what Prometheus says against it. */
  query(
    expression: string,
  ): Promise<readonly { readonly metric: Readonly<Record<string, string>>; readonly value: number }[]>;
  /** The alerts that are pending or firing. */
  alerts(): Promise<readonly { readonly name: string; readonly state: string }[]>;
  /** Every rule that it evaluates; its health is `ok` if that has worked. */
  rules(): Promise<readonly { readonly name: string; readonly health: string }[]>;
  /** Every metric name that it has stored. */
  names(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Starts it with this configuration file, and waits until it answers. */
export async function startPrometheus(configFile: string): Promise<Prometheus> {
  const data = await mkdtemp(join(tmpdir(), 'prometheus-'));
  const port = await closedPort();
  const child = spawn(
    'prometheus',
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const close = async () => {
    await end(child);
    await removeTree(data);
  };
  const url = `http://127.0.0.1:${port}`;
  const isReady = () => {
    if (child.exitCode !== null) throw new Error(`prometheus has ended:\n${said}`);
    return fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  };
  await until('Prometheus to be ready', isReady, { withinMs: 60_000, otherwise: () => said }).catch(
    async (error) => {
      await close();
      throw error;
    },
  );
  return { ...createClient(url), close };
}

/** Its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/). */
function createClient(url: string): Omit<Prometheus, 'close'> {
  return {
    query: async (expression) => {
      const { result } = await ask(url, `query?query=${encodeURIComponent(expression)}`, ANSWER);
      return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
    },
    names: () => ask(url, 'label/__name__/values', NAMES),
    rules: async () => (await ask(url, 'rules', RULES)).groups.flatMap(({ rules }) => rules),
    alerts: async () =>
      (await ask(url, 'alerts', ALERTS)).alerts.map(({ labels, state }) => ({
        name: labels.alertname,
        state,
      })),
  };
}

async function ask<T>(url: string, path: string, schema: v.GenericSchema<unknown, T>): Promise<T> {
  const answer: unknown = await (await fetch(`${url}/api/v1/${path}`)).json();
  const parsed = v.safeParse(v.object({ status: v.literal('success'), data: schema }), answer);
  if (!parsed.success) throw new Error(`${decodeURIComponent(path)}: ${JSON.stringify(answer)}`);
  return parsed.output.data;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}

/** Runs promtool, with this on its standard input; its exit code and everything that it said. */
export function promtool(
  args: readonly string[],
  { input, cwd }: { readonly input?: string; readonly cwd?: string } = {},
): Promise<{ readonly code: unknown; readonly said: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      'promtool',
      [...args],
      { ...(cwd !== undefined && { cwd }) },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : error.code, said: stdout + stderr }),
    );
    child.stdin?.end(input ?? '');
  });
}
