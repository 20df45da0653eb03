/**
 * Which server certificates are for which names: the probe against the code that a bridge of Mosquitto has
 * (mosquitto_sub has it from the same library), and against the calls of OpenSSL that Mosquitto 2.1 makes instead.
 */

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AlternativeName, type Authority, createAuthority } from '../../lab/certificates.ts';
import { type RunningServer, startTlsServer } from '../../lab/tls-servers.ts';
import { isAtLeast, versionSaidBy } from '../support/mosquitto-version.ts';
import { all, describeWith, NAME_SPACES, program } from '../support/needs.ts';
import { runProbe } from '../support/run-probe.ts';

interface Case {
  readonly what: string;
  /** what the bridge connects to, and the probe */
  readonly host: string;
  readonly sans?: readonly (string | AlternativeName)[];
  readonly cn?: string;
  readonly subject?: string;
  /** which versions of Mosquitto take the certificate; since 2.1 that is left to OpenSSL */
  readonly takenBy: Versions;
  /** why the probe refuses what one of them takes, or takes what both refuse */
  readonly differs?: string;
}

type Versions = (version: string) => boolean;

const dns = (value: string): AlternativeName => ({ type: 'dns', value });
const EVERY: Versions = () => true;
const NONE: Versions = () => false;
const since =
  (oldest: string): Versions =>
  (version) =>
    isAtLeast(version, oldest);
const before =
  (first: string): Versions =>
  (version) =>
    !isAtLeast(version, first);
const NAME = 'broker.example.com';
const ADDRESS = '127.0.0.1';

const CASES: readonly Case[] = [
  { what: 'a DNS name', host: NAME, sans: [NAME], takenBy: EVERY },
  { what: 'one DNS name of several', host: NAME, sans: ['a.example.com', NAME], takenBy: EVERY },
  { what: 'another DNS name', host: NAME, sans: ['mqtt.example.com'], takenBy: NONE },
  { what: 'a DNS name in capitals', host: NAME, sans: ['BROKER.Example.COM'], takenBy: EVERY },
  { what: 'a name that is asked for in capitals', host: 'BROKER.EXAMPLE.COM', sans: [NAME], takenBy: EVERY },
  { what: 'an address', host: ADDRESS, sans: [ADDRESS], takenBy: EVERY },
  { what: 'another address', host: ADDRESS, sans: ['127.0.0.2'], takenBy: NONE },
  { what: 'an address in a DNS name', host: ADDRESS, sans: [dns(ADDRESS)], takenBy: before('2.1') },
  {
    what: 'an address in a DNS name beside another address',
    host: ADDRESS,
    sans: [dns(ADDRESS), '192.0.2.7'],
    takenBy: before('2.1'),
  },
  { what: 'an address under a wildcard', host: ADDRESS, sans: [dns('*.0.0.1')], takenBy: before('2.1') },
  { what: 'an IPv6 address', host: '::1', sans: ['::1'], takenBy: EVERY },
  { what: 'an IPv6 address in its long form', host: '0:0:0:0:0:0:0:1', sans: ['::1'], takenBy: EVERY },
  { what: 'an IPv6 address in a DNS name', host: '::1', sans: [dns('::1')], takenBy: before('2.1') },
  {
    what: 'an IPv6 address in a DNS name in its long form',
    host: '::1',
    sans: [dns('0:0:0:0:0:0:0:1')],
    takenBy: NONE,
  },
  {
    what: 'an IPv4 address for the IPv6 address that maps it',
    host: '::ffff:127.0.0.1',
    sans: [ADDRESS],
    takenBy: NONE,
  },
  { what: 'nothing but a common name', host: NAME, cn: NAME, takenBy: EVERY },
  { what: 'nothing but a common name in capitals', host: NAME, cn: NAME.toUpperCase(), takenBy: EVERY },
  { what: 'nothing but the common name of another', host: NAME, cn: 'mqtt.example.com', takenBy: NONE },
  { what: 'nothing but an address as common name', host: ADDRESS, cn: ADDRESS, takenBy: before('2.1') },
  { what: 'a common name beside DNS names', host: NAME, cn: NAME, sans: ['a.example.com'], takenBy: NONE },
  {
    what: 'an address as common name beside DNS names',
    host: ADDRESS,
    cn: ADDRESS,
    sans: ['a.example.com'],
    takenBy: NONE,
  },
  { what: 'a common name beside addresses', host: NAME, cn: NAME, sans: ['192.0.2.7'], takenBy: EVERY },
  {
    what: 'an address as common name beside other addresses',
    host: ADDRESS,
    cn: ADDRESS,
    sans: ['192.0.2.7'],
    takenBy: before('2.1'),
  },
  {
    what: 'a common name beside an email address',
    host: NAME,
    cn: NAME,
    sans: [{ type: 'email', value: 'a@example.com' }],
    takenBy: EVERY,
  },
  {
    what: 'a common name beside a URI that says DNS',
    host: NAME,
    cn: NAME,
    sans: [{ type: 'url', value: 'http://x/, DNS:a.example.com' }],
    takenBy: EVERY,
  },
  {
    what: 'a name only in a URI',
    host: NAME,
    cn: 'x',
    sans: [{ type: 'url', value: NAME }],
    takenBy: NONE,
  },
  {
    what: 'a name that a URI pretends',
    host: NAME,
    cn: 'x',
    sans: [{ type: 'url', value: `http://x/, DNS:${NAME}` }],
    takenBy: NONE,
  },
  { what: 'a wildcard', host: NAME, sans: ['*.example.com'], takenBy: EVERY },
  { what: 'a wildcard in capitals', host: NAME, sans: ['*.EXAMPLE.com'], takenBy: EVERY },
  { what: 'a wildcard as common name', host: NAME, cn: '*.example.com', takenBy: EVERY },
  { what: 'a wildcard for its own domain', host: 'example.com', sans: ['*.example.com'], takenBy: NONE },
  {
    what: 'a wildcard for two labels',
    host: 'a.broker.example.com',
    sans: ['*.example.com'],
    takenBy: NONE,
  },
  { what: 'a wildcard that is not first', host: NAME, sans: ['broker.*.com'], takenBy: NONE },
  { what: 'a wildcard with a beginning', host: NAME, sans: ['br*.example.com'], takenBy: since('2.1') },
  { what: 'a wildcard with an end', host: NAME, sans: ['*ker.example.com'], takenBy: since('2.1') },
  { what: 'a wildcard with both', host: NAME, sans: ['b*r.example.com'], takenBy: NONE },
  { what: 'two wildcards', host: NAME, sans: ['*.*.com'], takenBy: NONE },
  {
    what: 'a wildcard under a top level domain',
    host: 'example.com',
    sans: ['*.com'],
    takenBy: before('2.0.16'),
  },
  {
    what: 'a wildcard above a name without a dot',
    host: 'localhost',
    sans: ['*.localhost'],
    takenBy: before('2.0.16'),
  },
  { what: 'a wildcard for everything', host: 'localhost', sans: ['*'], takenBy: NONE },
  { what: 'a name with a dot at its end', host: NAME, sans: [`${NAME}.`], takenBy: NONE },
  {
    what: 'a name that is asked for with a dot at its end',
    host: `${NAME}.`,
    sans: [NAME],
    takenBy: NONE,
    differs:
      'the dot in UPSTREAM_ADDR keeps the search domains of the resolver here out, it is no part of the name (RFC 6066, 3)',
  },
  {
    what: 'a name with an underscore',
    host: 'my_broker.example.com',
    sans: ['my_broker.example.com'],
    takenBy: EVERY,
  },
  {
    what: 'a wildcard for a name with an underscore',
    host: 'my_broker.example.com',
    sans: ['*.example.com'],
    takenBy: before('2.1'),
  },
  {
    what: 'an international name in punycode',
    host: 'xn--bcher-kva.example.com',
    sans: ['xn--bcher-kva.example.com'],
    takenBy: EVERY,
  },
  {
    what: 'a wildcard for a name in punycode',
    host: 'xn--bcher-kva.example.com',
    sans: ['*.example.com'],
    takenBy: EVERY,
  },
  {
    what: 'a wildcard within punycode',
    host: 'xn--bcher-kva.example.com',
    sans: ['xn--b*.example.com'],
    takenBy: NONE,
  },
  { what: 'an empty DNS name', host: NAME, sans: [dns('')], takenBy: NONE },
  { what: 'an empty DNS name beside a common name', host: NAME, cn: NAME, sans: [dns('')], takenBy: NONE },
  {
    what: 'a name that goes on behind a NUL',
    host: NAME,
    sans: [dns(`${NAME}\0.evil.example`)],
    takenBy: before('2.1'),
    differs: '2.0 reads only up to the NUL: CVE-2009-2408, which is no way to get a certificate taken',
  },
  { what: 'a name with a blank before it', host: NAME, sans: [dns(` ${NAME}`)], takenBy: NONE },
  {
    what: 'several common names, the first one asked for',
    host: NAME,
    subject: `CN=${NAME},CN=x`,
    takenBy: EVERY,
  },
  {
    what: 'several common names, the last one asked for',
    host: NAME,
    subject: `CN=x,CN=${NAME}`,
    takenBy: since('2.1'),
  },
  { what: 'no name at all', host: NAME, subject: 'O=Example', takenBy: NONE },
];

const needs = all(NAME_SPACES, program('mosquitto_sub'), program('openssl'));

describeWith(needs, 'a server certificate with', () => {
  let directory: string;
  let authority: Authority;
  let set: { ca: string; cert: string; key: string };
  /** of the installed Mosquitto */
  const installed = versionSaidBy('mosquitto_sub', '--help');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'names-'));
    authority = await createAuthority({ cn: 'Upstream CA' });
    const client = await authority.issue({ cn: 'edge-1' });
    set = { ca: authority.certPem, cert: client.certPem, key: client.keyPem };
    await writeFile(join(directory, 'ca.crt'), authority.certPem);
    const names = CASES.filter(({ host }) => isIP(host) === 0).map(({ host }) => `127.0.0.1 ${host}`);
    await writeFile(join(directory, 'hosts'), `${names.join('\n')}\n`);
  });

  afterAll(() => rm(directory, { recursive: true }));

  test.concurrent.each(CASES)('$what', async ({ host, takenBy, differs, ...names }) => {
    const identity = await authority.issue({ cn: 'some common name', ...names });
    const { promise: login, resolve: onLogin } = Promise.withResolvers<true>();
    const options = { requestCert: false };
    const server = await startTlsServer(
      identity,
      authority.certPem,
      options,
      (socket) => socket.once('data', () => onLogin(true)),
      '::',
    );
    try {
      expect({
        bridge: await bridgeTakes(host, server, login),
        openssl: await opensslTakes(host, server),
        probe: await probeTakes(host, server),
      }).toEqual({
        bridge: takenBy(installed),
        openssl: takenBy('2.1'),
        probe: ['2.0.11', '2.1'].some(takenBy) !== (differs !== undefined),
      });
    } finally {
      await server.close();
    }
  });

  /** Mosquitto's own client, which finds the names in a hosts file of its own: it logs in if it trusts the server. */
  async function bridgeTakes(host: string, { port }: RunningServer, login: Promise<true>): Promise<boolean> {
    const mount = `mount --bind ${directory}/hosts /etc/hosts && exec "$@"`;
    const server = ['-h', host, '-p', String(port), '--cafile', join(directory, 'ca.crt')];
    const args = ['-m', 'sh', '-c', mount, 'sh', 'mosquitto_sub', ...server, '-t', 'x', '-W', '20', '-d'];
    const client = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const refusal = new Promise<false>((resolve) => {
      const look = (chunk: Buffer) => /TLS error|verif|certificate/i.test(String(chunk)) && resolve(false);
      client.stdout.on('data', look);
      client.stderr.on('data', look);
      client.once('exit', () => resolve(false));
    });
    const takes = await Promise.race([login, refusal]);
    client.kill('SIGKILL');
    return takes;
  }

  async function opensslTakes(host: string, { port }: RunningServer): Promise<boolean> {
    const check = isIP(host) === 0 ? '-verify_hostname' : '-verify_ip';
    const args = ['-connect', `127.0.0.1:${port}`, '-CAfile', join(directory, 'ca.crt'), check, host];
    const { output } = await run('openssl', ['s_client', ...args, '-verify_return_error']);
    return /Verify return code: 0 \(ok\)/.test(output);
  }

  async function probeTakes(host: string, { port }: RunningServer): Promise<boolean> {
    const internals = { settleMinMs: 20, resolve: async () => ['127.0.0.1'] };
    const verdict = await runProbe(set, { port, host, serverName: undefined, internals });
    if (verdict.ok) return true;
    expect(verdict.cause).toBe('server_name_mismatch');
    return false;
  }
});

/** Everything that a program writes, whatever becomes of it. */
function run(name: string, args: readonly string[]): Promise<{ readonly output: string }> {
  return new Promise((resolve) => {
    const child = execFile(name, [...args], { timeout: 20_000 }, (_error, stdout, stderr) =>
      resolve({ output: stdout + stderr }),
    );
    child.stdin?.end();
  });
}
