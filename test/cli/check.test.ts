import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAuthority, daysFromNow, type Issued } from '../../lab/certificates.ts';
import * as fix from '../../lab/core-fixtures.ts';
import { closedPort, plainAlert, startSecondFlightRelay, startTlsServer } from '../../lab/tls-servers.ts';
import { check } from '../../src/cli/check.ts';
import type { Settings } from '../../src/core/model/settings.ts';
import { temporaryDirectory } from '../support/directory.ts';
import {
  http,
  inspection,
  type Reply,
  type Script,
  startScriptedEngine,
} from '../support/scripted-engine.ts';

const authority = await createAuthority({ cn: 'Example CA' });
const server = await authority.issue({ cn: 'broker', sans: ['127.0.0.1'] });
const client = await authority.issue({ cn: 'edge-1' });

/** No other watcher of this machine, of a test beside this one or the developer's own, watches a broker of this name. */
const BROKER = 'mosquitto-of-check';

const json = (value: object) => http(200, JSON.stringify(value), { 'Content-Type': 'application/json' });
/** Every container that is asked for was started at this moment. */
const startedMs =
  (ms: number, Labels?: Readonly<Record<string, string>>): Reply =>
  (socket, request = '') => {
    const Name = /containers\/([^/]+)/.exec(request)?.[1] ?? '';
    json(inspection({ Name, State: { StartedAt: new Date(ms).toISOString() }, Config: { Labels } }))(
      socket,
      request,
    );
  };

interface Gateway {
  readonly client?: Issued;
  readonly script?: Script;
  readonly settings?: Partial<Settings>;
}

/** A gateway whose broker has read its certificates, with what differs; no upstream unless told. */
async function gateway({ client: issued = client, script, settings: change }: Gateway = {}) {
  const certDir = await temporaryDirectory();
  await writeFile(join(certDir, 'ca.crt'), authority.certPem);
  await writeFile(join(certDir, 'client.crt'), issued.chainPem);
  await writeFile(join(certDir, 'client.key'), issued.keyPem);
  const engine = await startScriptedEngine({ inspect: startedMs(Date.now() + 60_000), ...script });
  const settings = fix.settings({
    certDir,
    targetLabel: BROKER,
    engine: engine.endpoint,
    probeEnabled: false,
    stabilityWindowMs: 0,
    ...change,
  });
  const look = async (options: { json?: boolean; color?: boolean } = {}) => {
    let text = '';
    const write = (more: string) => {
      text += more;
    };
    const stop = new AbortController().signal;
    const code = await check(settings, { json: false, color: false, ...options }, stop, write);
    return { code, text };
  };
  return { certDir, engine, look };
}

/** Settings for an upstream that trusts `trusted`. */
async function upstream(trusted: string): Promise<Partial<Settings>> {
  const { port, close } = await startTlsServer(server, trusted);
  onTestFinished(close);
  return { probeEnabled: true, upstream: { host: '127.0.0.1', port }, tlsSni: undefined };
}

/** Settings for an upstream that says of every client certificate that it does not know its issuer. */
async function refusingUpstream(): Promise<Partial<Settings>> {
  const behind = await startTlsServer(server, authority.certPem, { maxVersion: 'TLSv1.2' });
  const { port, close } = await startSecondFlightRelay(behind.port, (socket) => socket.end(plainAlert(48)));
  onTestFinished(close);
  onTestFinished(behind.close);
  return { probeEnabled: true, upstream: { host: '127.0.0.1', port }, tlsSni: undefined };
}

describe('check in a two-phase rotation', () => {
  /** The broker has the set in CERT_DIR; the agent has written another one. */
  async function twoDirectories(incoming: Issued, live: Issued = client, change: Partial<Settings> = {}) {
    const incomingDir = await temporaryDirectory();
    await writeFile(join(incomingDir, 'ca.crt'), authority.certPem);
    await writeFile(join(incomingDir, 'client.crt'), incoming.chainPem);
    await writeFile(join(incomingDir, 'client.key'), incoming.keyPem);
    const { look, certDir } = await gateway({ client: live, settings: { incomingDir, ...change } });
    return { look, incomingDir, certDir };
  }

  it('says that the live set lies in the other directory too', async () => {
    const { look, incomingDir } = await twoDirectories(client);
    const { code, text } = await look();
    expect(code).toBe(0);
    expect(text).toContain(`the live set is in ${incomingDir}`);
  });

  it('shows the live set, the incoming one beside it and that it would be promoted, and changes nothing', async () => {
    const renewed = await authority.issue({ cn: 'edge-2', notAfter: daysFromNow(60.5) });
    const { look, incomingDir, certDir } = await twoDirectories(renewed);
    const { code, text } = await look();
    expect(code).toBe(0);
    expect(text).toMatch(/^ {2}client +ok +CN=edge-1, valid until .*, 89 days left$/m);
    expect(text).toMatch(
      new RegExp(`^ {2}incoming +- +complete in ${incomingDir}, CN=edge-2, valid until \\S+$`, 'm'),
    );
    expect(text).toMatch(/^ {2}daemon +- +would promote the incoming set and restart the broker now: /m);
    expect(await readdir(certDir)).toEqual(['ca.crt', 'client.crt', 'client.key']);
    expect(JSON.parse((await look({ json: true })).text)).toMatchObject({
      incoming: { live: false, incoming_dir: incomingDir, state: 'complete' },
    });
  });

  it('warns of an incoming set that cannot be promoted, and says what is wrong with it', async () => {
    const { look, incomingDir } = await twoDirectories(client);
    await writeFile(join(incomingDir, 'client.crt'), 'half');
    const { code, text } = await look();
    expect(code).toBe(1);
    expect(text).toMatch(/^WARNING: /);
    expect(text).toMatch(/^ {2}incoming +warning +client.crt /m);
    expect(text).toMatch(/^ {2}client +ok +CN=edge-1/m);
  });

  it('is critical where the upstream refuses the incoming set and the live one is expiring', async () => {
    const expiring = await authority.issue({
      cn: 'edge',
      notBefore: daysFromNow(-80),
      notAfter: daysFromNow(5.5),
    });
    const stranger = await (await createAuthority({ cn: 'Other CA' })).issue({ cn: 'edge' });
    const refusing = await refusingUpstream();
    expect((await (await twoDirectories(stranger, client, refusing)).look()).code).toBe(1);
    const { code, text } = await (await twoDirectories(stranger, expiring, refusing)).look();
    expect(code).toBe(2);
    expect(text).toMatch(/^ {2}incoming +- +is not live: the restart is held because the probe failed/m);
  });

  it('tells who owns the live directory where that is somebody else', async () => {
    const renewed = await authority.issue({ cn: 'edge-2' });
    const { look, certDir } = await twoDirectories(renewed);
    await symlink('somewhere', join(certDir, '..data'));
    const { code, text } = await look();
    expect(code).toBeGreaterThan(0);
    expect(text).toContain('leads to no set of this program');
  });
});

describe('check', () => {
  it('is ok where all is well, and says so in its first line', async () => {
    const { look } = await gateway();
    const { code, text } = await look();
    expect(code).toBe(0);
    const [first] = text.split('\n');
    expect(first).toBe(`OK: ${BROKER} has the current certificates, valid for 89 more days`);
    expect(text).toMatch(/^ {2}daemon +- +would do nothing: the broker was started at /m);
  });

  it('warns of a certificate that will soon expire', async () => {
    const issued = await authority.issue({
      cn: 'edge',
      notBefore: daysFromNow(-80),
      notAfter: daysFromNow(5.5),
    });
    const { code, text } = await (await gateway({ client: issued })).look();
    expect(code).toBe(1);
    expect(text).toMatch(/^WARNING: the client certificate in client.crt expires on /);
    expect(text).toMatch(/^ {2}client +warning +CN=edge, expires on .*, 5 days left$/m);
  });

  it('is ok with a fresh certificate of a day, and says how many hours are left', async () => {
    const issued = await authority.issue({ cn: 'edge', notAfter: daysFromNow(0.97) });
    const { code, text } = await (await gateway({ client: issued })).look();
    expect(code).toBe(0);
    expect(text).toMatch(/^OK: .* valid for 23 more hours\n/);
    expect(text).toMatch(/^ {2}client +ok +CN=edge, valid until .*, 23 hours left$/m);
  });

  it('is critical where a certificate has expired', async () => {
    const issued = await authority.issue({
      cn: 'edge',
      notBefore: daysFromNow(-9),
      notAfter: daysFromNow(-1),
    });
    const { code, text } = await (await gateway({ client: issued })).look();
    expect(code).toBe(2);
    expect(text).toMatch(/^CRITICAL: the client certificate in client.crt expired on /);
  });

  it('asks the upstream once, and believes its refusal', async () => {
    const settings = await refusingUpstream();
    const { code, text } = await (await gateway({ settings })).look();
    expect(code).toBe(2);
    expect(text).toMatch(/^CRITICAL: the upstream refuses the client certificate/);
    expect(text).toMatch(/^ {2}upstream +critical .*client_cert_rejected/m);
    expect(text).toMatch(/^ {2}key +ok +client.key belongs to the client certificate$/m);
  });

  it('says what a probe that succeeds has seen', async () => {
    const { code, text } = await (await gateway({ settings: await upstream(authority.certPem) })).look();
    expect(text).toMatch(/^ {2}upstream +ok +127\.0\.0\.1:\d+ raised no objection \(TLSv1\.3, /m);
    expect(code).toBe(0);
  });

  it('only warns of an upstream that is down', async () => {
    const port = await closedPort();
    const settings = { probeEnabled: true, upstream: { host: '127.0.0.1', port }, tlsSni: undefined };
    expect((await (await gateway({ settings })).look()).code).toBe(1);
  });

  it('is critical where key and certificate do not belong together', async () => {
    const settings = await upstream(authority.certPem);
    const { look, certDir } = await gateway({ settings });
    await writeFile(join(certDir, 'client.key'), (await authority.issue()).keyPem);
    const { code, text } = await look();
    expect(code).toBe(2);
    expect(text).toMatch(/^ {2}key +critical +client.key belongs to another certificate$/m);
  });

  it('warns of files that are missing, and names each', async () => {
    const { code, text } = await (await gateway({ settings: { certDir: '/nowhere' } })).look();
    expect(code).toBe(1);
    expect(text.match(/^ {2}files +warning .* does not exist$/gm)).toHaveLength(3);
  });

  it('is critical where a new set could not be applied, because the engine is gone', async () => {
    const settings = { engine: { kind: 'unix', path: '/nowhere/docker.sock' } as const };
    const { code, text } = await (await gateway({ settings })).look();
    expect(code).toBe(2);
    expect(text).toMatch(/^ {2}broker +warning +there is no socket \/nowhere\/docker.sock$/m);
  });

  it('says that the daemon would restart, and restarts nothing', async () => {
    const { look, engine } = await gateway({ script: { inspect: startedMs(Date.now() - 3_600_000) } });
    const { code, text } = await look();
    expect(code).toBe(0);
    expect(text).toMatch(/^ {2}daemon +- +would restart the broker now: /m);
    expect(engine.requests.filter((request) => !request.startsWith('GET '))).toEqual([]);
  });

  it('says until when the daemon would wait', async () => {
    const script = { inspect: startedMs(Date.now() - 3_600_000) };
    const { look } = await gateway({ script, settings: { stabilityWindowMs: 60_000 } });
    expect((await look()).text).toMatch(/^ {2}daemon +- +would wait until \d{4}-.*Z: /m);
  });

  it('reads the state file and leaves it alone', async () => {
    const directory = await temporaryDirectory();
    const stateFile = join(directory, 'state.json');
    await writeFile(stateFile, '{"version":1}');
    const { look } = await gateway({ settings: { stateFile } });
    await look();
    expect(await readFile(stateFile, 'utf8')).toBe('{"version":1}');
    expect(await readdir(directory)).toEqual(['state.json']);
  });

  it('says what the socket grants, which is nothing that is wrong', async () => {
    const { code, text } = await (await gateway()).look();
    expect(text).toMatch(/^ {2}Docker socket +ok +this socket grants the whole engine, /m);
    expect(text).toMatch(/^ +see mosquitto-cert-watcher socket-policy$/m);
    expect(code).toBe(0);
  });

  it('has nothing to judge about a socket that nobody answers', async () => {
    const settings = { engine: { kind: 'unix', path: '/nowhere/docker.sock' } as const };
    const { text } = await (await gateway({ settings })).look();
    expect(text).toMatch(/^ {2}Docker socket +- +what the socket grants is not known: /m);
  });

  it('has a row for each of several brokers', async () => {
    const target = { kind: 'containers', names: ['left', 'right'] } as const;
    const { code, text } = await (await gateway({ settings: { target, targetLabel: 'left, right' } })).look();
    expect(text).toMatch(/^OK: all 2 brokers have the current certificates/);
    expect(text).toMatch(/broker +ok +left is running/);
    expect(text).toMatch(/broker +ok +right is running/);
    expect(code).toBe(0);
  });

  it('says of a label without a container that there is none', async () => {
    const target = { kind: 'label', label: 'role=edge' } as const;
    const settings = { target, targetLabel: 'containers with role=edge' };
    const script = { inspect: http(200, '[]', { 'Content-Type': 'application/json' }) };
    const { code, text } = await (await gateway({ settings, script })).look();
    expect(text).toContain('there is no container with the label role=edge');
    expect(code).toBe(2);
  });

  it('warns of bridges that nobody can be asked about', async () => {
    const brokerUrls = [{ tls: false, host: '127.0.0.1', port: await closedPort() }];
    const { code, text } = await (await gateway({ settings: { brokerUrls } })).look();
    expect(text).toMatch(/bridge +warning +mqtt:\/\/127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/);
    expect(code).toBe(1);
  });

  it('has colours only if it is told so', async () => {
    const { look } = await gateway();
    expect((await look()).text).not.toContain('\u001b');
    expect((await look({ color: true })).text).toContain('\u001b[32mOK\u001b[0m');
  });

  it('lets no subject drive the terminal', async () => {
    const issued = await authority.issue({ subject: 'CN=\u001b[2J\u009b31m\u202ecleared\u0007' });
    const { text } = await (await gateway({ client: issued })).look();
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text).toContain('cleared');
  });

  it('aligns its columns', async () => {
    const { text } = await (await gateway()).look();
    const rows = text.split('\n').filter((line) => /^ {2}[a-z]/.test(line));
    expect(rows.length).toBeGreaterThan(5);
    expect(new Set(rows.map((row) => /^ {2}\S+ +\S+ +/.exec(row)?.[0].length)).size).toBe(1);
  });

  it('warns of a container that belongs to a unit of systemd, with the better setting', async () => {
    const script = { inspect: startedMs(Date.now() + 60_000, { PODMAN_SYSTEMD_UNIT: 'mosquitto.service' }) };
    const { code, text } = await (await gateway({ script })).look();
    expect(code).toBe(1);
    expect(text).toMatch(/^ {2}unit +warning +mosquitto-of-check belongs to the unit mosquitto.service /m);
    expect(text).toContain('set MOSQUITTO_UNIT=mosquitto.service instead of MOSQUITTO_CONTAINER');
  });

  it('tells programs the same in JSON', async () => {
    const { code, text } = await (await gateway()).look({ json: true });
    expect(JSON.parse(text)).toMatchObject({
      schema_version: 1,
      status: 'ok',
      check: {
        exit_code: code,
        would_do: 'nothing',
        engine_access: { kind: 'whole_engine' },
        chain: { level: 'ok' },
      },
      certificates: { state: 'complete' },
    });
  });
});
