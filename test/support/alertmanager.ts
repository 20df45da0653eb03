/** A real Alertmanager with a data directory of its own. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import type { Stage } from './stage.ts';

const ALERTS = v.array(
  v.object({
    labels: v.record(v.string(), v.string()),
    annotations: v.record(v.string(), v.string()),
    status: v.object({ state: v.string() }),
  }),
);

export interface Alertmanager {
  readonly url: string;
  /** Those that are not over, as its API says. */
  alerts(): Promise<v.InferOutput<typeof ALERTS>>;
}

/** Debian's name for it. */
export const ALERTMANAGER = 'prometheus-alertmanager';

/** Starts it, and waits until it answers; it ends with the test. */
export async function startAlertmanager(stage: Stage): Promise<Alertmanager> {
  const port = await closedPort();
  const config = join(stage.directory, 'alertmanager.yml');
  await writeFile(config, 'route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n');
  const child = spawn(
    ALERTMANAGER,
    [
      `--config.file=${config}`,
      `--storage.path=${join(stage.directory, 'alertmanager')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  stage.onEnd(async () => {
    const gone = once(child, 'exit');
    if (child.kill('SIGTERM')) await gone;
  });
  const url = `http://127.0.0.1:${port}`;
  const isReady = () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until('Alertmanager to be ready', isReady, { otherwise: () => said });
  return {
    url,
    alerts: async () => v.parse(ALERTS, await (await fetch(`${url}/api/v2/alerts`)).json()),
  };
}
