import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import { temporaryDirectory } from '../support/directory.ts';

async function problemsOf(environment: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const loaded = await loadSettings({ ENABLE_TLS_PROBE: 'false', ...environment }, undefined);
  return loaded.ok ? [] : loaded.problems;
}

describe('INCOMING_DIR', () => {
  it('beside CERT_DIR is accepted, also where neither exists yet', async () => {
    const directory = await temporaryDirectory();
    expect(
      await problemsOf({ CERT_DIR: join(directory, 'live'), INCOMING_DIR: join(directory, 'new') }),
    ).toEqual([]);
  });

  it('in CERT_DIR is accepted: other files there are left alone', async () => {
    expect(await problemsOf({ CERT_DIR: '/certs', INCOMING_DIR: '/certs/incoming' })).toEqual([]);
  });

  it.each([
    ['by the same path', '/certs', '/certs'],
    ['by a longer path', '/certs', '/certs/sub/../'],
    ['by its default', undefined, '/certs'],
  ])('may not be CERT_DIR %s', async (_, live, incoming) => {
    const [problem, ...others] = await problemsOf({
      ...(live && { CERT_DIR: live }),
      INCOMING_DIR: incoming,
    });
    expect(problem).toMatch(/^INCOMING_DIR=.* and CERT_DIR=\/certs are the same directory/);
    expect(others).toEqual([]);
  });

  it('may not be CERT_DIR by a link, to it or above it', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'a', 'live'), { recursive: true });
    await symlink('a', join(directory, 'b'));
    await symlink('a/live', join(directory, 'c'));
    const live = join(directory, 'a', 'live');
    for (const incoming of [join(directory, 'b', 'live'), join(directory, 'c')]) {
      expect(await problemsOf({ CERT_DIR: live, INCOMING_DIR: incoming })).toHaveLength(1);
    }
    const missing = { CERT_DIR: join(directory, 'a', 'later'), INCOMING_DIR: join(directory, 'b', 'later') };
    expect(await problemsOf(missing)).toHaveLength(1);
  });

  it('may not be one of the sets in CERT_DIR', async () => {
    const [problem] = await problemsOf({ CERT_DIR: '/certs', INCOMING_DIR: '/certs/..data' });
    expect(problem).toContain('may not write to the sets');
  });

  it('needs plain file names, and no service of a swarm, and says all of it at once', async () => {
    const problems = await problemsOf({
      INCOMING_DIR: '/incoming',
      CA_CERT_FILE: '/etc/ssl/ca.pem',
      CLIENT_KEY_FILE: '..key',
      MOSQUITTO_SERVICE: 'mqtt_mosquitto',
      CHECK_INTERVAL: 'often',
    });
    expect(problems).toHaveLength(4);
    expect(problems.join('\n')).toMatch(/CHECK_INTERVAL/);
    expect(problems.join('\n')).toMatch(/CA_CERT_FILE="\/etc\/ssl\/ca.pem" is not a plain file name/);
    expect(problems.join('\n')).toMatch(/INCOMING_DIR and MOSQUITTO_SERVICE are set/);
  });
});
