/** Notifications and heartbeats of the daemon as its users run it, with real receivers. */

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { COMPILE_CACHE } from '../../lab/compile-cache.ts';
import { PROGRAM } from '../../lab/daemon.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { quietly, until } from '../../lab/until.ts';
import { ALERTMANAGER, startAlertmanager } from '../support/alertmanager.ts';
import { MEASURED } from '../support/measured.ts';
import { describeWith, program } from '../support/needs.ts';
import { type Answer, HANGS, OK, startReceiver, status } from '../support/receiver.ts';
import { startObedientEngine } from '../support/scripted-engine.ts';
import { OWN_RESOLVER, silentResolver } from '../support/silent-resolver.ts';
import { makeSet, SHORT, type Stage, test } from '../support/stage.ts';

const SECRET = 'T0AB/s3cret';

/** What a watcher needs to know of a broker that restarts at once. */
async function obedientEngine(stage: Stage): Promise<Readonly<Record<string, string>>> {
  const { settings } = await startObedientEngine(stage.onEnd);
  return { ...SHORT, CERT_DIR: stage.certs.path, ...settings };
}

async function receiver(stage: Stage, answer: Answer = OK) {
  const started = await startReceiver(answer, undefined, stage.onEnd);
  const url = `http://127.0.0.1:${started.port}/services/${SECRET}`;
  return {
    ...started,
    received: started.received,
    url,
    answerWith: (next: Answer) => (started.answer = next),
  };
}

/** Runs a command of the program to its end. */
function command(
  name: string,
  settings: Readonly<Record<string, string>>,
): Promise<{ readonly code: unknown; readonly said: string }> {
  return new Promise((resolve) => {
    const options = { env: { ...COMPILE_CACHE, ...settings }, cwd: '/' };
    execFile(PROGRAM.node, [PROGRAM.main, name], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, said: stdout + stderr });
    });
  });
}

/** Puts a set in place and waits for its restart; how long that took, from the end of the window on. */
async function rotate(stage: Stage, daemon: ReturnType<Stage['daemon']>): Promise<number> {
  await stage.certs.install(await makeSet());
  const startMs = performance.now();
  await daemon.says('mosquitto_restart_triggered', { withinMs: 30_000 });
  return performance.now() - startMs - 500;
}

/** The window of {@link SHORT} is over by then, also on a busy machine; no timeout of a receiver is. */
const ON_TIME_MS = 5_000;

describe.concurrent('a receiver of notifications', () => {
  test.for([
    [
      'json',
      /^\{"schema_version":1,.*"status":"warning".*"cause":"cert_missing"/,
      /"kind":"well","status":"ok"/,
    ],
    ['ntfy', /^.*ca\.crt does not exist/, /\nover: ca\.crt does not exist/],
    ['slack', /^\{"text":":warning: \*broker-\w+ on /, /^\{"text":":white_check_mark: /],
  ] as const)(
    'is told once that something is wrong, and once that all is well again: %s',
    async ([format, wrong, well], { stage }) => {
      const { url, received } = await receiver(stage);
      const daemon = stage.daemon({
        ...(await obedientEngine(stage)),
        NOTIFY_URL: url,
        NOTIFY_FORMAT: format,
      });
      await until('the first notification', () => received.length === 1);
      await rotate(stage, daemon);
      await daemon.says('restart_completed');
      await until('the second notification', () => received.length === 2);
      await quietly(1_500, 'a third one would have come at the pace of one a second');
      expect(received.map(({ method, url: path }) => [method, path])).toEqual([
        ['POST', `/services/${SECRET}`],
        ['POST', `/services/${SECRET}`],
      ]);
      expect(received[0]?.body).toMatch(wrong);
      expect(received[1]?.body).toMatch(well);
    },
  );

  test('is not told again by a watcher that is restarted, and is told by it that all is well again', async ({
    stage,
  }) => {
    const { url, received } = await receiver(stage);
    const settings = {
      ...(await obedientEngine(stage)),
      NOTIFY_URL: url,
      STATE_FILE: join(stage.directory, 'state.json'),
    };
    for (let start = 1; start <= 3; start += 1) {
      const daemon = stage.daemon(settings);
      await daemon.says('cert_missing');
      await until('the notification', () => received.length === 1);
      await quietly(1_500, 'a second one would have come at the pace of one a second');
      daemon.signal('SIGTERM');
      await daemon.ended;
    }
    expect(received).toHaveLength(1);
    await rotate(stage, stage.daemon(settings));
    await until('the second notification', () => received.length === 2);
    expect(received[1]?.body).toMatch(/"kind":"well"/);
  });

  test('that is in trouble gets it later, and the log says so once, without the address', async ({
    stage,
  }) => {
    const { url, received, answerWith } = await receiver(stage, status(500, `no /services/${SECRET} today`));
    const port = String(await closedPort());
    const daemon = stage.daemon({
      ...(await obedientEngine(stage)),
      NOTIFY_URL: url,
      LOG_LEVEL: 'debug',
      ENABLE_METRICS: 'true',
      METRICS_PORT: port,
    });
    const failed = await daemon.says('notify_failed');
    expect(failed).toMatchObject({
      level: 'warn',
      component: 'watcher',
      details: { part: 'notifications', cause: 'receiver_error', waiting: 1, next_try: expect.any(String) },
    });
    await until('another attempt', () => received.length >= 2);
    answerWith(OK);
    const before = received.length;
    await until('delivery', () => received.length === before + 1);
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
    expect(daemon.count('notify_failed')).toBe(1);
    const pages = await Promise.all(
      ['', 'status.json', 'metrics'].map(async (path) =>
        (await fetch(`http://127.0.0.1:${port}/${path}`)).text(),
      ),
    );
    expect([JSON.stringify(daemon.lines), daemon.stderr(), ...pages].join('\n')).not.toMatch(/s3cret|T0AB/);
  });

  test('that hangs delays no rotation, nor does a heartbeat that hangs', async ({ stage }) => {
    const { url, received } = await receiver(stage, HANGS);
    const daemon = stage.daemon({
      ...(await obedientEngine(stage)),
      NOTIFY_URL: url,
      HEARTBEAT_URL: url,
      HEARTBEAT_INTERVAL: '100ms',
    });
    await until('both', () => received.length === 2);
    expect(await rotate(stage, daemon)).toBeLessThan(ON_TIME_MS);
    expect(received).toHaveLength(2);
  });

  test('that hangs does not keep the watcher from ending at once', MEASURED, async ({ stage }) => {
    const { url, received } = await receiver(stage, HANGS);
    const daemon = stage.daemon({ ...(await obedientEngine(stage)), NOTIFY_URL: url });
    await until('the notification', () => received.length === 1);
    const startMs = performance.now();
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });
});

describeWith(OWN_RESOLVER, 'a receiver whose name server is silent', () => {
  test('delays no rotation', async ({ stage }) => {
    const { asked, wrapper } = await silentResolver(stage);
    const daemon = stage.daemon(
      {
        ...(await obedientEngine(stage)),
        NOTIFY_URL: 'http://receiver.example.com/hook',
        HEARTBEAT_URL: 'http://heartbeat.example.com/ping',
        HEARTBEAT_INTERVAL: '100ms',
      },
      { wrapper },
    );
    await asked;
    expect(await rotate(stage, daemon)).toBeLessThan(ON_TIME_MS);
  });
});

describe.concurrent('the heartbeat', () => {
  test('comes at each interval, to an address in a file', async ({ stage }) => {
    const { url, received } = await receiver(stage);
    const file = join(stage.directory, 'heartbeat-url');
    await writeFile(file, `${url}\n`);
    stage.daemon({ ...(await obedientEngine(stage)), HEARTBEAT_URL_FILE: file, HEARTBEAT_INTERVAL: '200ms' });
    await until('three beats', () => received.length >= 3);
    expect(received[0]).toMatchObject({ method: 'GET', url: `/services/${SECRET}`, body: '' });
  });
});

describe.concurrent('notify-test', () => {
  const SETTINGS = { ENABLE_TLS_PROBE: 'false' };

  test('says what came back, and ends with 0 where it was delivered', async ({ stage }) => {
    const { url, received } = await receiver(stage);
    const { code, said } = await command('notify-test', { ...SETTINGS, NOTIFY_URL: url });
    expect(said).toMatch(
      /^a test notification \(json\) goes to http:\/\/127\.0\.0\.1:\d+\/…\ndelivered: HTTP 200: ok\n$/,
    );
    expect(code).toBe(0);
    expect(received.map(({ body }) => JSON.parse(body))).toMatchObject([{ kind: 'test', status: 'ok' }]);
  });

  test('says why it was not delivered, without the address, and ends with 1', async ({ stage }) => {
    const { url } = await receiver(stage, status(404, `nothing at /services/${SECRET}`));
    const { code, said } = await command('notify-test', { ...SETTINGS, NOTIFY_URL: url });
    expect(said).toMatch(
      /not delivered \(refused\): http:\/\/127\.0\.0\.1:\d+\/… answers with HTTP 404: nothing at …\ntry: /,
    );
    expect(said).not.toContain('s3cret');
    expect(code).toBe(1);
  });

  test('ends with 2 where there is nobody to notify', async () => {
    const { code, said } = await command('notify-test', SETTINGS);
    expect(said).toMatch(/NOTIFY_URL is not set/);
    expect(code).toBe(2);
  });
});

describeWith(program(ALERTMANAGER), 'Alertmanager', () => {
  test('has an alert while something is wrong, and none when all is well again', async ({ stage }) => {
    const { url, alerts } = await startAlertmanager(stage);
    const daemon = stage.daemon({
      ...(await obedientEngine(stage)),
      NOTIFY_URL: url,
      NOTIFY_FORMAT: 'alertmanager',
    });
    await until('an alert', async () => (await alerts()).length === 1);
    expect(await alerts()).toMatchObject([
      {
        labels: {
          alertname: 'MosquittoCertWatcher',
          severity: 'warning',
          cause: 'cert_missing',
          about: 'certificates',
          broker: expect.stringMatching(/^broker-/),
        },
        annotations: { summary: expect.stringContaining('ca.crt does not exist') },
        status: { state: 'active' },
      },
    ]);
    await rotate(stage, daemon);
    await until('no alert', async () => (await alerts()).length === 0);
    expect(daemon.count('notify_failed')).toBe(0);
  });

  test('has another alert instead when the cause changes', async ({ stage }) => {
    const { url, alerts } = await startAlertmanager(stage);
    stage.daemon({ ...(await obedientEngine(stage)), NOTIFY_URL: url, NOTIFY_FORMAT: 'alertmanager' });
    await until('an alert', async () => (await alerts()).length === 1);
    await stage.certs.install(await makeSet({ notAfter: new Date(Date.now() - 60_000) }));
    const causes = async () => (await alerts()).map(({ labels }) => labels['cause']);
    await until('the other alert', async () => (await causes()).join() === 'cert_expired', {
      otherwise: () => 'it has others',
    });
    expect(await alerts()).toMatchObject([{ labels: { severity: 'critical' } }]);
  });

  test('takes a test', async ({ stage }) => {
    const { url, alerts } = await startAlertmanager(stage);
    const settings = { ENABLE_TLS_PROBE: 'false', NOTIFY_URL: url, NOTIFY_FORMAT: 'alertmanager' };
    expect(await command('notify-test', settings)).toMatchObject({ code: 0 });
    expect(await alerts()).toMatchObject([
      { labels: { alertname: 'MosquittoCertWatcherTest', severity: 'info' } },
    ]);
  });
});
