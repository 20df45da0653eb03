/** A real Prometheus with a data directory of its own, and its tool. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { closedPort } from './tls-servers.ts';
import { until } from './until.ts';

const SAMPLE = v.object({
  metric: v.record(v.string(), v.string()),
  value: v.tuple([v.number(), v.string()]),
});
const RANGE = v.object({ metric: v.record(v.string(), v.string()), values: v.array(v.unknown()) });
const ANSWER = v.object({
  status: v.literal('success'),
  data: v.object({ result: v.array(v.union([SAMPLE, RANGE, v.unknown()])) }),
});

const ALERTS = v.object({
  data: v.object({
    alerts: v.array(v.object({ labels: v.object({ alertname: v.string() }), state: v.string() })),
  }),
});
const RULES = v.object({
  data: v.object({
    groups: v.array(v.object({ rules: v.array(v.object({ name: v.string(), health: v.string() })) })),
  }),
});

export interface Prometheus {
  /** The series of an instant query; rejects with what Prometheus says against it. */
  query(
    expression: string,
  ): Promise<readonly { readonly metric: Readonly<Record<string, string>>; readonly value: number }[]>;
  /** The alerts that are pending or firing. */
  alerts(): Promise<readonly { readonly name: string; readonly state: string }[]>;
  /** Every rule that it evaluates. */
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
    await rm(data, { recursive: true, force: true });
  };
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  const isReady = () =>
    get('/-/ready').then(
      ({ ok }) => ok,
      () => false,
    );
  await until('Prometheus to be ready', isReady, { otherwise: () => said }).catch(async (error) => {
    await close();
    throw error;
  });
  return {
    query: async (expression) => {
      const answer: unknown = await (
        await get(`/api/v1/query?query=${encodeURIComponent(expression)}`)
      ).json();
      const parsed = v.safeParse(ANSWER, answer);
      if (!parsed.success) throw new Error(`${expression}: ${JSON.stringify(answer)}`);
      return parsed.output.data.result.flatMap((series) => {
        const sample = v.safeParse(SAMPLE, series);
        return sample.success
          ? [{ metric: sample.output.metric, value: Number(sample.output.value[1]) }]
          : [];
      });
    },
    alerts: async () => {
      const { data } = v.parse(ALERTS, await (await get('/api/v1/alerts')).json());
      return data.alerts.map(({ labels, state }) => ({ name: labels.alertname, state }));
    },
    rules: async () => {
      const { data } = v.parse(RULES, await (await get('/api/v1/rules')).json());
      return data.groups.flatMap(({ rules }) => rules);
    },
    names: async () => {
      const schema = v.object({ data: v.array(v.string()) });
      return v.parse(schema, await (await get('/api/v1/label/__name__/values')).json()).data;
    },
    close,
  };
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
