/** The pages behind TLS, client certificates and a password: asked by those who ask in the field. */

import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { PROGRAM } from '../../lab/daemon.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { all, describeWith, program } from '../support/needs.ts';
import { GUARDED, type Guarded, guarded, PASSWORD, run } from '../support/pages.ts';
import { startPrometheus } from '../support/prometheus.ts';
import { SHORT, type Stage, test } from '../support/stage.ts';

const PROMETHEUS = fileURLToPath(new URL('../../deploy/prometheus', import.meta.url));
/** Prometheus with the scrape configuration as shipped, and its lines for TLS and a password switched on. */
async function scraping(stage: Stage, { port, file }: Guarded) {
  const directory = file('prometheus');
  await mkdir(directory);
  await cp(join(PROMETHEUS, 'alerts.yml'), join(directory, 'alerts.yml'));
  for (const name of ['ca.crt', 'prometheus.crt', 'prometheus.key'])
    await cp(file(name), join(directory, name));
  await writeFile(join(directory, 'password'), PASSWORD);
  const shipped = await readFile(join(PROMETHEUS, 'prometheus.yml'), 'utf8');
  const adapted = shipped
    .replaceAll(/^ {4}# (?!\(\*\))/gm, '    ')
    .replace('mosquitto-cert-watcher:9090', `127.0.0.1:${port}`)
    .replaceAll('_interval: 15s', '_interval: 1s');
  await writeFile(join(directory, 'prometheus.yml'), adapted);
  const prometheus = await startPrometheus(join(directory, 'prometheus.yml'));
  stage.onEnd(prometheus.close);
  return prometheus;
}

describeWith(all(program('prometheus'), program('perl')), 'Prometheus', () => {
  test('scrapes with a client certificate and a password, also after the certificate was renewed', async ({
    stage,
  }) => {
    const pages = await guarded(stage, { clients: true });
    const client = await pages.authority.issue({ cn: 'prometheus' });
    await pages.put('prometheus.crt', client.chainPem);
    await pages.put('prometheus.key', client.keyPem);
    const { query } = await scraping(stage, pages);
    const isUp = async () => (await query('up{job="mosquitto-cert-watcher"} == 1')).length > 0;
    await until('a scrape', isUp, { withinMs: 60_000 });
    await pages.install(await pages.authority.issue({ cn: 'second', sans: ['127.0.0.1'] }));
    await sleep(2_500);
    expect(await query('min_over_time(up{job="mosquitto-cert-watcher"}[2s]) == 1')).toHaveLength(1);
    expect(pages.daemon.count('watch_degraded')).toBe(0);
  });
});

describeWith(all(GUARDED, program('openssl')), 'a client', () => {
  test('with the password sees everything, and without it whether the watcher is alive', async ({
    stage,
  }) => {
    const { curl } = await guarded(stage);
    for (const path of ['/', '/status.json', '/metrics', '/readyz']) {
      expect([path, (await curl(path)).status]).toEqual([path, '401']);
      expect([path, (await curl(path, '-u', `prometheus:${PASSWORD}`)).status]).toEqual([path, '200']);
    }
    expect(await curl('/healthz')).toEqual({ status: '200', body: 'ok\n' });
  });

  test('of OpenSSL sees the certificate of the moment, and half a renewal is told', async ({ stage }) => {
    const { daemon, port, authority, file, put, install } = await guarded(stage);
    const subject = async () => {
      const args = [
        's_client',
        '-connect',
        `127.0.0.1:${port}`,
        '-CAfile',
        file('ca.crt'),
        '-verify_return_error',
      ];
      return /subject=(.*)/.exec((await run('openssl', args)).stdout)?.[1];
    };
    expect(await subject()).toMatch(/CN ?= ?first/);
    const second = await authority.issue({ cn: 'second', sans: ['127.0.0.1'] });
    await put('server.crt', second.chainPem);
    expect((await daemon.says('watch_degraded')).details).toEqual({
      part: 'metrics_tls',
      message: `${file('server.key')} does not belong to the first certificate in ${file('server.crt')}; the HTTP server continues with what it read before`,
      hint: 'only half renewed? install the key of this certificate; the certificate itself stands first in its file',
    });
    expect(await subject()).toMatch(/CN ?= ?first/);
    await install(second);
    await until('the new certificate', async () => /second/.test((await subject()) ?? ''));
  });

  test('the command healthcheck needs no password and no certificate', async ({ stage }) => {
    const { settings } = await guarded(stage, { clients: true });
    const { code, stderr } = await run(PROGRAM.node, [PROGRAM.main, 'healthcheck'], settings);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('what is missing before the pages', () => {
  test('is said by its line, without the secret, and keeps them closed', async ({ stage }) => {
    const users = join(stage.directory, 'users');
    await writeFile(users, 'alice:$2y$10$too-short\nbob:s3cret\n');
    const daemon = stage.daemon({
      ...SHORT,
      CERT_DIR: stage.certs.path,
      ENABLE_RESTART: 'false',
      ENABLE_METRICS: 'true',
      METRICS_PORT: String(await closedPort()),
      METRICS_AUTH_FILE: users,
    });
    const { details } = await daemon.says('server_failed');
    expect(details['error']).toBe(
      `${users} is not usable: line 1 has no bcrypt hash ($2a$, $2b$ or $2y$, a cost, 53 characters); line 2 has no bcrypt hash ($2a$, $2b$ or $2y$, a cost, 53 characters)`,
    );
    expect(JSON.stringify(daemon.lines)).not.toMatch(/s3cret|too-short|alice|bob/);
  });
});
