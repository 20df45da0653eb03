/** The process in odd surroundings: settings, files and sockets that are not what they should be. Needs no engine. */

import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { makeSet, nothingFollows, SHORT, type Stage, test, watchWithoutEngine } from '../support/stage.ts';

/** One invalid value for every setting that can have one. */
const WRONG = {
  MOSQUITTO_CONTAINER: 'my broker',
  UPSTREAM_ADDR: 'broker.example.com:mqtts',
  TLS_SNI: 'broker.example.com:8883',
  TLS_TIMEOUT: '5',
  TLS_PROBE_MODE: 'ping',
  TLS_PROBE_INTERVAL: '-1m',
  TLS_PROBE_GATE: 'always',
  CHECK_INTERVAL: '0',
  STABILITY_WINDOW: 'ten seconds',
  RESTART_COOLDOWN: '5 min',
  RESTART_SPLAY: '-1h',
  RESTART_WINDOW: 'Mon 02:00-02:00',
  RESTART_WINDOW_TZ: 'Atlantis',
  EXPIRY_WARN_DAYS: '1.5',
  DOCKER_HOST: 'ssh://host',
  RESTART_STOP_TIMEOUT: '10 s',
  RESTART_VERIFY_TIMEOUT: 'forever',
  MOSQUITTO_LABEL: 'a key',
  MOSQUITTO_SERVICE: 'my service',
  RELOAD_STRATEGY: 'reload',
  BROKER_URL: 'http://broker',
  BRIDGE_NAME: 'a/b',
  ENABLE_TLS_PROBE: 'yes',
  ENABLE_RESTART: 'on',
  ENABLE_METRICS: 'enabled',
  METRICS_PORT: '65536',
  METRICS_HOST: 'http://localhost',
  LOG_LEVEL: 'verbose',
} as const;

describe.concurrent('settings', () => {
  /** Starts it and waits for its end. */
  async function refused(stage: Stage, settings: Readonly<Record<string, string>>, args: string[] = []) {
    const daemon = stage.daemon({ ENABLE_TLS_PROBE: 'false', ...settings }, { args });
    const { code } = await daemon.ended;
    return { code, stdout: daemon.lines.length + daemon.offences.length, stderr: daemon.stderr() };
  }

  test('that are all wrong at once are all named, with the values given; exit code 2, nothing on stdout', async ({
    stage,
  }) => {
    const { code, stdout, stderr } = await refused(stage, WRONG);
    expect({ code, stdout }).toEqual({ code: 2, stdout: 0 });
    for (const [name, value] of Object.entries(WRONG)) expect(stderr).toContain(`${name}="${value}"`);
  });

  test('without UPSTREAM_ADDR, while the probe is on, are refused', async ({ stage }) => {
    const { code, stdout, stderr } = await refused(stage, { ENABLE_TLS_PROBE: '' });
    expect({ code, stdout }).toEqual({ code: 2, stdout: 0 });
    expect(stderr).toContain('UPSTREAM_ADDR');
  });

  for (const name of [
    'two words',
    'path/to/broker',
    '-broker',
    'über',
    'broker?t=0',
    '../version',
    'one,,two',
    'one,one',
  ]) {
    test(`with a container called "${name}" are refused`, async ({ stage }) => {
      const { code, stdout, stderr } = await refused(stage, { MOSQUITTO_CONTAINER: name });
      expect({ code, stdout }).toEqual({ code: 2, stdout: 0 });
      expect(stderr).toContain('MOSQUITTO_CONTAINER');
    });
  }

  for (const [what, text] of [
    ['is not JSON', '{ "cert_dir": '],
    ['is not an object', '["/certs"]'],
    ['is empty', ''],
    ['has an unknown key', '{ "cert_dirr": "/certs" }'],
    ['has a wrong value', '{ "check_interval": "5 s" }'],
    ['has an object for a value', '{ "check_interval": { "seconds": 5 } }'],
  ] as const) {
    test(`from a file that ${what} are refused`, async ({ stage }) => {
      const file = join(stage.directory, 'config.json');
      await writeFile(file, text);
      const { code, stdout, stderr } = await refused(stage, {}, ['--config', file]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: 0 });
      expect(stderr).toContain(what === 'has a wrong value' ? 'CHECK_INTERVAL' : file);
    });
  }

  test('from a file that does not exist are refused', async ({ stage }) => {
    const file = join(stage.directory, 'none.json');
    const { code, stderr } = await refused(stage, {}, ['--config', file]);
    expect(code).toBe(2);
    expect(stderr).toContain(file);
  });

  test('from a file hold, and the environment wins', async ({ stage }) => {
    const file = join(stage.directory, 'config.json');
    await writeFile(file, JSON.stringify({ cert_dir: '/nowhere', mosquitto_container: 'from-file' }));
    const daemon = stage.daemon({ ...SHORT, CERT_DIR: stage.certs.path }, { args: ['--config', file] });
    const { details } = await daemon.says('started');
    expect(details).toMatchObject({ cert_dir: stage.certs.path, container: 'from-file' });
  });
});

describe.concurrent('surroundings', () => {
  test('a reader of its log that goes away does not end it', async ({ stage }) => {
    const daemon = await watchWithoutEngine(stage);
    await daemon.says('restart_failed');
    daemon.closeStdout();
    for (let round = 0; round < 2; round += 1) {
      await stage.certs.install(await makeSet());
      await nothingFollows();
    }
    expect(daemon.hasEnded()).toBe(false);
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
  });

  test('a CERT_DIR that is a file is told with a hint', async ({ stage }) => {
    const file = join(stage.directory, 'certs.pem');
    await writeFile(file, 'not a directory');
    const daemon = stage.daemon({ ...SHORT, CERT_DIR: file });
    const { details } = await daemon.says('cert_missing');
    expect(details['hint']).toBe(`CERT_DIR ${file} is not a directory`);
  });

  test('a CERT_DIR that appears later is found', async ({ stage }) => {
    const late = join(stage.directory, 'late');
    const daemon = stage.daemon({ ...SHORT, CERT_DIR: late });
    await daemon.says('cert_missing');
    await stage.certs.install(await makeSet());
    await rename(stage.certs.path, late);
    expect((await daemon.says('cert_parsed')).details).toMatchObject({ file: 'client.crt' });
  });

  test('an engine socket that is a regular file is told as such', async ({ stage }) => {
    const file = join(stage.directory, 'docker.sock');
    await writeFile(file, '');
    const daemon = await watchWithoutEngine(stage, { DOCKER_SOCK: file });
    expect((await daemon.says('restart_failed')).details).toMatchObject({ cause: 'not_a_socket' });
  });

  test('an engine socket that is a directory, as docker makes of a missing mount, is told as such', async ({
    stage,
  }) => {
    const daemon = await watchWithoutEngine(stage, { DOCKER_SOCK: stage.directory });
    expect((await daemon.says('restart_failed')).details).toMatchObject({ cause: 'not_a_socket' });
  });

  test('an engine socket that does not exist is told once, with the next try', async ({ stage }) => {
    const daemon = await watchWithoutEngine(stage);
    const { details } = await daemon.says('restart_failed');
    await nothingFollows();
    expect(details).toMatchObject({ cause: 'socket_missing', next_try: expect.stringMatching(/Z$/) });
    expect(daemon.count('restart_failed')).toBe(1);
  });

  test('a state file that holds nonsense is told and does not end it', async ({ stage }) => {
    const file = join(stage.directory, 'state.json');
    await writeFile(file, '{"version": 99}');
    const daemon = await watchWithoutEngine(stage, { STATE_FILE: file });
    expect((await daemon.says('watch_degraded')).details).toMatchObject({ part: 'state_file' });
  });
});
