/** The configuration of a broker on disk: its includes, its paths, and what stays in force when it cannot be read. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createBrokerConf, ourPath } from '../../src/adapters/broker-conf.ts';
import { sourcesIn } from '../../src/core/text/conf-sources.ts';
import { temporaryDirectory } from '../support/directory.ts';

const BRIDGE = (name: string) =>
  [
    `connection ${name}`,
    'address upstream.example.com:8883',
    'topic # out 0',
    'bridge_cafile /mosquitto/certs/ca.crt',
    `bridge_certfile /mosquitto/certs/${name}.crt`,
    `bridge_keyfile /mosquitto/certs/${name}.key`,
  ].join('\n');

async function conf(text: string, included: Readonly<Record<string, string>> = {}) {
  const directory = await temporaryDirectory();
  await mkdir(join(directory, 'conf.d'));
  const path = join(directory, 'mosquitto.conf');
  const write = (name: string, content: string) => writeFile(join(directory, name), content);
  await write('mosquitto.conf', text);
  for (const [name, content] of Object.entries(included)) await write(join('conf.d', name), content);
  const map = [['/mosquitto/conf.d', join(directory, 'conf.d')]] as const;
  return { directory, path, write, file: createBrokerConf(path, map) };
}

async function bridges({ file }: Awaited<ReturnType<typeof conf>>) {
  return (await file.observe()).conf?.bridges.map(({ name }) => name);
}

describe('the configuration of a broker', () => {
  it('includes *.conf of a directory in the order of the broker, by our path of it', async () => {
    const files = {
      'b.conf': BRIDGE('b'),
      'A.conf': BRIDGE('a'),
      'c.conf.off': BRIDGE('c'),
      '.conf': BRIDGE('d'),
    };
    expect(await bridges(await conf(`include_dir /mosquitto/conf.d\n${BRIDGE('main')}\n`, files))).toEqual([
      'a',
      'b',
      'main',
    ]);
  });

  it('stays as it was last understood while it cannot be, with line and reason', async () => {
    const at = await conf(BRIDGE('one'));
    expect(await bridges(at)).toEqual(['one']);
    await at.write('mosquitto.conf', `${BRIDGE('two')}\nbridge_cafile /another\n`);
    expect(await at.file.observe()).toMatchObject({
      conf: { bridges: [{ name: 'one' }] },
      problem: { path: at.path, line: 7, text: 'repeats bridge_cafile, which Mosquitto refuses' },
    });
    await rm(at.path);
    expect(await at.file.observe()).toMatchObject({
      conf: { bridges: [{ name: 'one' }] },
      problem: { line: undefined, text: 'does not exist' },
    });
    await at.write('mosquitto.conf', BRIDGE('three'));
    expect(await bridges(at)).toEqual(['three']);
  });

  it('names the included file and its line where the problem is there', async () => {
    const at = await conf('include_dir /mosquitto/conf.d\n', { 'a.conf': 'listener 8883\ncertfile\t/a\n' });
    expect((await at.file.observe()).problem).toEqual({
      path: join(at.directory, 'conf.d/a.conf'),
      line: 2,
      text: 'has a tab after certfile, where Mosquitto takes only blanks',
    });
  });

  it('is understood although it has unknown options', async () => {
    const at = await conf(`${BRIDGE('one')}\nbridge_of_the_future yes\nlistener 8883\nunheard of\n`);
    expect((await at.file.observe()).problem).toBeUndefined();
  });

  it('is told where 2.0 and 2.1 read it in different ways', async () => {
    const at = await conf('listener 8883\nport 1883\ncertfile /a.crt\nkeyfile /a.key\n');
    expect((await at.file.observe()).isAmbiguous).toBe(true);
  });
});

describe('a path of the broker', () => {
  it.each([
    ['/mosquitto/certs/a.crt', '/srv/certs/a.crt'],
    ['/mosquitto/certs', '/srv/certs'],
    ['/mosquitto/certs-old/a.crt', '/mnt/certs-old/a.crt'],
    ['/etc/ssl/a.crt', '/etc/ssl/a.crt'],
    ['a.crt', '/conf/a.crt'],
  ])('%s is where we see it: %s', (theirs, ours) => {
    const map = [
      ['/mosquitto', '/mnt'],
      ['/mosquitto/certs', '/srv/certs'],
    ] as const;
    expect(ourPath(theirs, map, '/conf/mosquitto.conf')).toBe(ours);
  });
});

describe('the sets of a configuration', () => {
  async function sets(text: string, host?: string) {
    const { conf: read, isAmbiguous } = await (await conf(text)).file.observe();
    if (read === undefined) throw new Error('it is understood');
    return sourcesIn(read, isAmbiguous, (path) => path, host);
  }

  it('are those of bridges and listeners with a certificate, under their names', async () => {
    const listener = 'certfile /a.crt\nkeyfile /a.key\n';
    const text = `listener 1883\nlistener 8883\n${listener}listener 8884 ::1\n${listener}listener 8884 127.0.0.1\n${listener}${BRIDGE('cloud')}`;
    const { sets: found, findings } = await sets(text);
    expect(found.map(({ name }) => name)).toEqual([
      'bridge cloud',
      'listener 8883',
      'listener 8884 ::1',
      'listener 8884 127.0.0.1',
    ]);
    expect(findings).toEqual([]);
    expect(found[1]?.listensAt).toEqual({ host: '127.0.0.1', port: 8883 });
  });

  it.each([
    ['', { reloadsAtOnce: false, reportedAs: { name: 'cloud', isWhole: false } }],
    ['bridge_reload_type lazy', { reloadsAtOnce: false }],
    ['bridge_reload_type immediate', { reloadsAtOnce: true }],
    ['remote_clientid gateway-7', { reportedAs: { name: 'gateway-7', isWhole: true } }],
    ['notifications false', { reportedAs: undefined }],
  ])('say whether a signal moves a bridge, and what the broker calls it: %s', async (line, expected) => {
    const { sets: found } = await sets(`${BRIDGE('cloud')}\n${line}\n`);
    expect(found[0]).toMatchObject(expected);
  });

  it.each([
    ['notifications false', 'bridge cloud', /says nothing of its state/],
    ['bridge_insecure true', 'bridge cloud', /is not verified/],
  ])('are told what makes proof impossible: %s', async (line, about, problem) => {
    const { findings } = await sets(`${BRIDGE('cloud')}\n${line}\n`);
    expect(findings).toEqual([expect.objectContaining({ about, problem: expect.stringMatching(problem) })]);
  });

  it.each([
    ['', 'TLSv1.2'],
    ['bridge_tls_version tlsv1.2', 'TLSv1.2'],
    ['bridge_tls_version tlsv1.3', 'TLSv1.3'],
  ])('say which versions of TLS a bridge offers: "%s"', async (line, oldestTls) => {
    const { sets: found, findings } = await sets(`${BRIDGE('cloud')}\n${line}\n`);
    expect(found).toEqual([expect.objectContaining({ oldestTls })]);
    expect(findings).toEqual([]);
  });

  it('are not probed with a version that Mosquitto does not know, which is told', async () => {
    const { sets: found, findings } = await sets(`${BRIDGE('cloud')}\nbridge_tls_version TLSv1.3\n`);
    expect(found).toEqual([expect.objectContaining({ upstreams: [] })]);
    expect(findings).toEqual([
      expect.objectContaining({ problem: expect.stringMatching(/TLSv1\.3, .* never connects/) }),
    ]);
  });

  it('are probed with TLS 1.2 where 2.0 would offer 1.1, and that 2.1 would not connect is told', async () => {
    const { sets: found, findings } = await sets(`${BRIDGE('cloud')}\nbridge_tls_version tlsv1.1\n`);
    expect(found).toEqual([
      expect.objectContaining({ oldestTls: 'TLSv1.2', upstreams: [expect.anything()] }),
    ]);
    expect(findings).toEqual([expect.objectContaining({ problem: expect.stringMatching(/2\.1/) })]);
  });

  it('trust the directory of bridge_capath, with or without a file beside it', async () => {
    const both = `${BRIDGE('cloud')}\nbridge_capath /mosquitto/ca\n`;
    const { sets: found, findings } = await sets(both.replace(/^bridge_cafile.*\n/m, ''));
    expect(found).toEqual([
      expect.objectContaining({ caFile: undefined, caPath: '/mosquitto/ca', upstreams: [expect.anything()] }),
    ]);
    expect(findings).toEqual([]);
    expect((await sets(both)).sets[0]).toMatchObject({
      caFile: '/mosquitto/certs/ca.crt',
      caPath: '/mosquitto/ca',
    });
  });

  it('are not probed where the system of the broker is trusted, which is told', async () => {
    const { sets: found, findings } = await sets(`${BRIDGE('cloud')}\nbridge_tls_use_os_certs true\n`);
    expect(found).toEqual([expect.objectContaining({ upstreams: [] })]);
    expect(findings).toEqual([expect.objectContaining({ problem: expect.stringMatching(/is not probed/) })]);
  });

  it('are probed at the first sixteen addresses, and that there are more is told', async () => {
    const addresses = Array.from({ length: 20 }, (_, index) => `192.0.2.${index + 1}:8883`);
    const text = BRIDGE('cloud').replace('upstream.example.com:8883', addresses.join(' '));
    const { sets: found, findings } = await sets(text);
    expect(found[0]?.upstreams).toHaveLength(16);
    expect(findings).toEqual([
      expect.objectContaining({ problem: expect.stringMatching(/^has 20 addresses/) }),
    ]);
  });

  it('are no sets where a key is in an engine, or a bridge has no CA, which is told', async () => {
    const engine = 'listener 8883\ncertfile /a.crt\nkeyfile pkcs11:token=a\n';
    const bare = BRIDGE('bare').replace(/^bridge_cafile.*\n/m, '');
    const { sets: found, findings } = await sets(`${engine}${bare}`);
    expect(found).toEqual([]);
    expect(findings.map(({ about }) => about).toSorted()).toEqual(['bridge bare', 'listener 8883']);
  });

  it('do not include that of a listener without a key, which is told', async () => {
    const { sets: found, findings } = await sets('listener 8883\ncertfile /a.crt\n');
    expect(found).toEqual([]);
    expect(findings).toMatchObject([
      { about: 'listener 8883', problem: expect.stringMatching(/no keyfile/) },
    ]);
  });
});
