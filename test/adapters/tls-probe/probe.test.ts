/** The probe against Node's own TLS server and small odd ones: what a machine with nothing but Node can prove. */

import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import tls, { type TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { generate, type Packet, parser } from 'mqtt-packet';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  type AlternativeName,
  type Authority,
  createAuthority,
  createSelfSigned,
  daysFromNow,
  type Issued,
  type KeyType,
} from '../../../lab/certificates.ts';
import {
  closedPort,
  plainAlert,
  type RunningServer,
  startBlackHole,
  startDelayingRelay,
  startFreezingRelay,
  startInterruptibleRelay,
  startSecondFlightRelay,
  startTcpServer,
  startTlsServer,
} from '../../../lab/tls-servers.ts';
import {
  createTlsProbe,
  type ProbeInternals,
  type ProbeTarget,
} from '../../../src/adapters/tls-probe/probe.ts';
import {
  PROBE_CAUSES,
  type ProbeFailure,
  type ProbePhase,
  type ProbeVerdict,
} from '../../../src/core/model/probe.ts';
import { type CertificateSet, contentsOf, createCertificateSet } from '../../support/certificate-set.ts';
import { holdUp } from '../../support/hold-up.ts';
import { leftOver } from '../../support/left-over.ts';
import { MEASURED } from '../../support/measured.ts';

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
/** Failures end the settling, so only a test that is about to go wrong waits this long. */
const PATIENT: ProbeInternals = { settleMinMs: 1_000 };
const BRIEF: ProbeInternals = { settleMinMs: 20 };
const DAY_MS = 86_400_000;

let authority: Authority;
let stranger: Authority;
let broker: Issued;
let client: Issued;

beforeAll(async () => {
  authority = await createAuthority({ cn: 'Upstream CA' });
  stranger = await createAuthority({ cn: 'Some Other CA' });
  broker = await authority.issue({
    cn: 'broker',
    sans: ['broker.example.com', 'localhost', '127.0.0.1', '::1'],
  });
  client = await authority.issue({ cn: 'edge-1' });
});

/** What comes before the phase that hangs is done by then, also on a machine that is busy with other things. */
const HANGS_AFTER_MS = 1_000;

async function setOf(contents = contentsOf(authority, client)): Promise<CertificateSet> {
  const set = await createCertificateSet(contents);
  onTestFinished(() => set.remove());
  return set;
}

async function serve(starting: Promise<RunningServer>): Promise<RunningServer> {
  const server = await starting;
  onTestFinished(() => server.close());
  return server;
}

function targetOf(set: CertificateSet, port: number, changes: Partial<ProbeTarget> = {}): ProbeTarget {
  const { caFile, certFile, keyFile } = set;
  const files = { caFile, certFile, keyFile };
  return {
    ...files,
    host: '127.0.0.1',
    port,
    serverName: 'localhost',
    timeoutMs: 5_000,
    mode: 'handshake',
    ...changes,
  };
}

async function probe(target: ProbeTarget, internals = PATIENT, nowMs = Date.now()): Promise<ProbeVerdict> {
  const verdict = await createTlsProbe(target, internals).run({
    signal: new AbortController().signal,
    nowMs,
  });
  if (verdict === undefined) throw new Error('the probe was not cancelled and must have a verdict');
  if (!verdict.ok) expectFitForOperators(verdict);
  return verdict;
}

async function probeFails(
  target: ProbeTarget,
  internals = PATIENT,
  nowMs = Date.now(),
): Promise<ProbeFailure> {
  const verdict = await probe(target, internals, nowMs);
  if (verdict.ok) throw new Error(`the probe must fail, but: ${JSON.stringify(verdict)}`);
  return verdict;
}

/** Holds for every failure in this file. */
function expectFitForOperators({ hint, error }: ProbeFailure): void {
  expect(hint).toMatch(/^[^A-Z\n]/);
  expect(hint).not.toMatch(/[.\n]$/);
  for (const line of [hint, error]) {
    expect(line).not.toMatch(/[\n\r]/);
    expect(line).not.toMatch(/node\.js|--use-|NODE_|PRIVATE KEY-----|:error:|\.c:\d/i);
    expect(line.length).toBeGreaterThan(10);
  }
}

function openHandles(): number {
  const leaky = /TCP|TLS|Timeout|GetAddrInfo|FSReq|FileHandle|ConnectWrap|ShutdownWrap|WriteWrap/;
  return process.getActiveResourcesInfo().filter((name) => leaky.test(name)).length;
}

describe('a server that accepts the client certificate', () => {
  test.each(VERSIONS)('is a success that says what it is based on (%s)', async (version) => {
    const server = await serve(startTlsServer(broker, authority.certPem, { maxVersion: version }));
    const verdict = await probe(targetOf(await setOf(), server.port), { settleMinMs: 150 });
    expect(verdict).toMatchObject({
      ok: true,
      proof: 'settled',
      address: `127.0.0.1:${server.port}`,
      protocol: version,
      cipher: expect.stringMatching(/AES|CHACHA/),
      server: { subject: 'CN=broker', issuer: 'CN=Upstream CA', daysRemaining: 89 },
    });
    expect(Object.keys(verdict.phaseMs)).toEqual(['files', 'tcp', 'tls', 'settle']);
    expect(verdict.phaseMs.settle).toBeGreaterThanOrEqual(149);
    expect(verdict.durationMs).toBeGreaterThanOrEqual(149);
  });

  test('is watched for at least two seconds after the handshake', async () => {
    const server = await serve(startTlsServer(broker, authority.certPem));
    const verdict = await probe(targetOf(await setOf(), server.port), {});
    expect(verdict.ok).toBe(true);
    expect(verdict.phaseMs.settle).toBeGreaterThanOrEqual(1_995);
  });

  test('is watched for five times as long as its handshake took', async () => {
    const upstream = await serve(startTlsServer(broker, authority.certPem));
    const slow = await serve(startDelayingRelay(upstream.port, 60));
    const verdict = await probe(targetOf(await setOf(), slow.port), BRIEF);
    expect(verdict.ok).toBe(true);
    expect(verdict.phaseMs.tls).toBeGreaterThanOrEqual(59);
    expect(verdict.phaseMs.settle).toBeGreaterThanOrEqual(5 * 59);
  });

  test('sees the client certificate, not a byte of data, and an orderly end', async () => {
    const seen: { peer?: unknown; data: number; ending?: string } = { data: 0 };
    const ended = Promise.withResolvers<void>();
    const server = await serve(
      startTlsServer(broker, authority.certPem, {}, (socket) => {
        seen.peer = socket.getPeerCertificate().subject.CN;
        socket.on('data', (chunk) => {
          seen.data += chunk.length;
        });
        socket.on('error', () => {
          seen.ending ??= 'error';
        });
        socket.on('end', () => {
          seen.ending ??= 'end';
        });
        socket.on('close', ended.resolve);
      }),
    );
    expect((await probe(targetOf(await setOf(), server.port), BRIEF)).ok).toBe(true);
    await ended.promise;
    expect(seen).toEqual({ peer: 'edge-1', data: 0, ending: 'end' });
  });

  test('may talk before it is asked', async () => {
    const server = await serve(
      startTlsServer(broker, authority.certPem, {}, (socket) => socket.write('220 ready\r\n'.repeat(10_000))),
    );
    expect((await probe(targetOf(await setOf(), server.port), { settleMinMs: 100 })).ok).toBe(true);
  });

  test('may keep its side open: the probe ends all the same', MEASURED, async () => {
    const server = await serve(startTlsServer(broker, authority.certPem, { allowHalfOpen: true }));
    const from = performance.now();
    expect((await probe(targetOf(await setOf(), server.port), BRIEF)).ok).toBe(true);
    expect(performance.now() - from).toBeLessThan(2_500);
  });

  test.each<KeyType>(['rsa-2048', 'p256', 'p384', 'p521', 'ed25519'])(
    'takes a client key of type %s',
    async (key) => {
      const server = await serve(startTlsServer(broker, authority.certPem));
      const own = await authority.issue({ cn: 'edge-1', key });
      expect(
        await probe(targetOf(await setOf(contentsOf(authority, own)), server.port), BRIEF),
      ).toMatchObject({ ok: true });
    },
  );
});

describe('files as operators have them', () => {
  async function accepted(contents: Partial<ReturnType<typeof contentsOf>>): Promise<ProbeVerdict> {
    const server = await serve(startTlsServer(broker, authority.certPem));
    const set = await setOf({ ...contentsOf(authority, client), ...contents });
    return probe(targetOf(set, server.port), BRIEF);
  }

  test('accepts CRLF line ends', async () => {
    const crlf = (text: string) => text.replaceAll('\n', '\r\n');
    const verdict = await accepted({
      ca: crlf(authority.certPem),
      cert: crlf(client.certPem),
      key: crlf(client.keyPem),
    });
    expect(verdict.ok).toBe(true);
  });

  test('accepts a byte order mark, comments in UTF-8 and text around the blocks', async () => {
    const preamble = '\uFEFF# Prüfstelle für Geräte\nCertificate:\n    Data:\n        Version: 3 (0x2)\n';
    const verdict = await accepted({
      ca: preamble + authority.certPem,
      cert: `${preamble}${client.certPem}trailing words\n`,
      key: preamble + client.keyPem,
    });
    expect(verdict.ok).toBe(true);
  });

  test('accepts an expired CA elsewhere in the bundle', async () => {
    const expired = await createAuthority({
      cn: 'Old CA',
      notBefore: daysFromNow(-20),
      notAfter: daysFromNow(-1),
    });
    expect((await accepted({ ca: expired.certPem + authority.certPem })).ok).toBe(true);
  });

  test('accepts a private key with its parameters in front of it, in SEC 1', async () => {
    const sec1 = client.key.export({ type: 'sec1', format: 'pem' }).toString();
    const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
    expect((await accepted({ key: parameters + sec1 })).ok).toBe(true);
  });

  test('accepts a private key in PKCS#1', async () => {
    const own = await authority.issue({ key: 'rsa-2048' });
    const key = own.key.export({ type: 'pkcs1', format: 'pem' }).toString();
    expect((await accepted({ cert: own.certPem, key })).ok).toBe(true);
  });

  test('presents the whole chain, so that a server that knows only the root accepts it', async () => {
    const issuing = await authority.intermediate({ cn: 'Issuing CA' });
    const own = await issuing.issue({ cn: 'edge-2' });
    expect((await accepted({ cert: own.chainPem, key: own.keyPem })).ok).toBe(true);
  });

  test('follows symbolic links, as Kubernetes and certbot set them', async () => {
    const server = await serve(startTlsServer(broker, authority.certPem));
    const real = await setOf();
    const links = await setOf();
    await rm(links.certFile);
    await symlink(real.certFile, links.certFile);
    expect((await probe(targetOf(links, server.port), BRIEF)).ok).toBe(true);
  });
});

describe('local files that cannot work are reported before any network is touched', () => {
  type Spoil = (set: CertificateSet) => Promise<unknown>;
  const cases: readonly { name: string; file: 'ca' | 'cert' | 'key'; error: RegExp; spoil: Spoil }[] = [
    { name: 'a missing ca.crt', file: 'ca', error: /does not exist/, spoil: (set) => rm(set.caFile) },
    { name: 'a missing key', file: 'key', error: /does not exist/, spoil: (set) => rm(set.keyFile) },
    {
      name: 'an empty certificate',
      file: 'cert',
      error: /is empty/,
      spoil: (set) => set.write({ cert: '' }),
    },
    {
      name: 'a directory in the place of a file',
      file: 'cert',
      error: /is a directory/,
      spoil: async (set) => {
        await rm(set.certFile);
        await mkdir(set.certFile);
      },
    },
    {
      name: 'a device in the place of a file',
      file: 'key',
      error: /is a device/,
      spoil: async (set) => {
        await rm(set.keyFile);
        await symlink('/dev/zero', set.keyFile);
      },
    },
    {
      name: 'a link that leads in a circle',
      file: 'ca',
      error: /leads in a circle/,
      spoil: async (set) => {
        await rm(set.caFile);
        await symlink(set.caFile, set.caFile);
      },
    },
    {
      name: 'a file over 1 MiB',
      file: 'ca',
      error: /larger than 1 MiB/,
      spoil: (set) => set.write({ ca: authority.certPem.padEnd(1024 * 1024 + 1, '\n') }),
    },
    {
      name: 'a ca.crt of other text',
      file: 'ca',
      error: /holds no PEM certificate/,
      spoil: (set) => set.write({ ca: 'hello' }),
    },
    {
      name: 'a ca.crt in DER',
      file: 'ca',
      error: /looks like DER/,
      spoil: (set) => set.write({ ca: Buffer.from(authority.certificate.rawData) }),
    },
    {
      name: 'a ca.crt in UTF-16',
      file: 'ca',
      error: /looks like UTF-16/,
      spoil: (set) => set.write({ ca: Buffer.from(`\uFEFF${authority.certPem}`, 'utf16le') }),
    },
    {
      name: 'an indented ca.crt',
      file: 'ca',
      error: /indented/,
      spoil: (set) => set.write({ ca: authority.certPem.replaceAll(/^/gm, '    ') }),
    },
    {
      name: 'a broken block after a good one in ca.crt',
      file: 'ca',
      error: /half-written/,
      spoil: (set) => set.write({ ca: authority.certPem + stranger.certPem.slice(0, 200) }),
    },
    {
      name: 'a block that is no certificate in spite of its name',
      file: 'cert',
      error: /is not a certificate/,
      spoil: (set) => set.write({ cert: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }),
    },
    {
      name: 'a key in the place of the certificate',
      file: 'cert',
      error: /holds no certificate/,
      spoil: (set) => set.write({ cert: client.keyPem }),
    },
    {
      name: 'a certificate in the place of the key',
      file: 'key',
      error: /holds no private key, only CERTIFICATE/,
      spoil: (set) => set.write({ key: client.certPem }),
    },
    {
      name: 'a key of other text',
      file: 'key',
      error: /holds no PEM private key/,
      spoil: (set) => set.write({ key: 'hello' }),
    },
    {
      name: 'a half-written key',
      file: 'key',
      error: /half-written/,
      spoil: (set) => set.write({ key: client.keyPem.slice(0, 120) }),
    },
    {
      name: 'a key with a damaged body',
      file: 'key',
      error: /not a private key that OpenSSL understands/,
      spoil: (set) => set.write({ key: client.keyPem.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA') }),
    },
    {
      name: 'a key that is encrypted in PKCS#8',
      file: 'key',
      error: /passphrase/,
      spoil: (set) =>
        set.write({
          key: client.key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
        }),
    },
    {
      name: 'a key that is encrypted in the traditional form',
      file: 'key',
      error: /passphrase/,
      spoil: (set) =>
        set.write({
          key: client.key.export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
        }),
    },
    {
      name: 'an RSA key of 1024 bits',
      file: 'cert',
      error: /ee key too small/,
      spoil: async (set) => {
        const small = await authority.issue({ key: 'rsa-1024' });
        await set.write({ cert: small.certPem, key: small.keyPem });
      },
    },
    {
      name: 'a certificate that is signed with SHA-1',
      file: 'cert',
      error: /signed with sha1/i,
      spoil: async (set) => {
        const weak = await (await createAuthority({ key: 'rsa-2048' })).issue({ hash: 'SHA-1' });
        await set.write({ cert: weak.certPem, key: weak.keyPem });
      },
    },
  ];

  test.each(cases)('$name is local_file and names the file', async ({ file, error, spoil }) => {
    const set = await setOf();
    await spoil(set);
    const touched = vi.fn();
    const server = await serve(startTcpServer(touched));
    const verdict = await probeFails(targetOf(set, server.port));
    const path = { ca: set.caFile, cert: set.certFile, key: set.keyFile }[file];
    expect(verdict).toMatchObject({
      cause: 'local_file',
      phase: 'files',
      file: path,
      error: expect.stringMatching(error),
    });
    expect(verdict.error).toContain(path);
    expect(verdict).not.toHaveProperty('keyUnreadable');
    expect(verdict).not.toHaveProperty('address');
    expect(Object.keys(verdict.phaseMs)).toEqual(['files']);
    expect(touched).not.toHaveBeenCalled();
  });

  test('says nothing of the content of a damaged key', async () => {
    const set = await setOf();
    const body = client.keyPem.split('\n').slice(1, -2).join('');
    await set.write({ key: client.keyPem.replace(/^(.{30})/m, '$1').replace(/\n(.{10})/, '\n!!!$1') });
    const { hint, error } = await probeFails(targetOf(set, 1));
    const pieces = Array.from({ length: body.length - 11 }, (_, at) => body.slice(at, at + 12));
    expect(pieces.filter((piece) => hint.includes(piece) || error.includes(piece))).toEqual([]);
  });

  test.each(['EACCES', 'EPERM'])(
    'a private key that may not be read (%s) is not judged, and marked so',
    async (code) => {
      const set = await setOf();
      refuseToOpen(set.keyFile, code);
      const verdict = await probeFails(targetOf(set, 1));
      expect(verdict).toMatchObject({
        cause: 'local_file',
        phase: 'files',
        keyUnreadable: true,
        file: set.keyFile,
      });
      expect(verdict.hint).toMatch(/ENABLE_TLS_PROBE=false/);
    },
  );

  test('a certificate that may not be read is a plain local_file', async () => {
    const set = await setOf();
    refuseToOpen(set.certFile, 'EACCES');
    const verdict = await probeFails(targetOf(set, 1));
    expect(verdict).toMatchObject({ cause: 'local_file', file: set.certFile });
    expect(verdict).not.toHaveProperty('keyUnreadable');
  });

  test('a key that may not be read hides nothing that is wrong with the certificates', async () => {
    const set = await setOf();
    refuseToOpen(set.keyFile, 'EACCES');
    expect((await probeFails(targetOf(set, 1), PATIENT, Date.now() + 91 * DAY_MS)).cause).toBe(
      'client_cert_expired',
    );
  });

  test('the key of another certificate is client_key_mismatch', async () => {
    const other = await authority.issue({ cn: 'edge-1' });
    const set = await setOf({ ...contentsOf(authority, client), key: other.keyPem });
    expect(await probeFails(targetOf(set, 1))).toMatchObject({
      cause: 'client_key_mismatch',
      phase: 'files',
      file: set.keyFile,
    });
  });

  test('a key of another kind is client_key_mismatch too, although Node accepts the pair', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const key = rsa.export({ type: 'pkcs8', format: 'pem' });
    const set = await setOf({ ...contentsOf(authority, client), key });
    expect((await probeFails(targetOf(set, 1))).cause).toBe('client_key_mismatch');
  });

  test('a chain that begins with the CA is client_key_mismatch and asks for the right order', async () => {
    const issuing = await authority.intermediate();
    const own = await issuing.issue();
    const set = await setOf({ ca: authority.certPem, cert: issuing.certPem + own.certPem, key: own.keyPem });
    const verdict = await probeFails(targetOf(set, 1));
    expect(verdict).toMatchObject({ cause: 'client_key_mismatch', file: set.certFile });
    expect(verdict.hint).toMatch(/first/);
  });

  test('an expired client certificate is client_cert_expired', async () => {
    const set = await setOf();
    const verdict = await probeFails(targetOf(set, 1), PATIENT, Date.now() + 91 * DAY_MS);
    expect(verdict).toMatchObject({ cause: 'client_cert_expired', phase: 'files', file: set.certFile });
    expect(verdict.hint).toMatch(/renew/);
  });

  test('a client certificate of the future is client_cert_expired with a word about the clock', async () => {
    const verdict = await probeFails(targetOf(await setOf(), 1), PATIENT, Date.now() - DAY_MS);
    expect(verdict.cause).toBe('client_cert_expired');
    expect(verdict.hint).toMatch(/clock/);
  });

  test('an expired certificate is reported rather than the missing key beside it', async () => {
    const set = await setOf();
    await rm(set.keyFile);
    expect((await probeFails(targetOf(set, 1), PATIENT, Date.now() + 91 * DAY_MS)).cause).toBe(
      'client_cert_expired',
    );
  });
});

describe('the set is read once', () => {
  test('keeps one SecureContext while the files are the same, and makes a new one when a file is replaced', async () => {
    const server = await serve(startTlsServer(broker, authority.certPem));
    const set = await setOf();
    const made = vi.spyOn(tls, 'createSecureContext');
    syncBuiltinESMExports();
    onTestFinished(() => {
      made.mockRestore();
      syncBuiltinESMExports();
    });
    const { run } = createTlsProbe(targetOf(set, server.port), BRIEF);
    const options = { signal: new AbortController().signal, nowMs: Date.now() };
    for (let round = 0; round < 3; round++) expect(await run(options)).toMatchObject({ ok: true });
    expect(made).toHaveBeenCalledTimes(1);
    await set.write({ key: client.keyPem });
    expect(await run(options)).toMatchObject({ ok: true });
    expect(made).toHaveBeenCalledTimes(2);
  });

  test('a set that is kept still expires', async () => {
    const server = await serve(startTlsServer(broker, authority.certPem));
    const { run } = createTlsProbe(targetOf(await setOf(), server.port), BRIEF);
    const { signal } = new AbortController();
    expect(await run({ signal, nowMs: Date.now() })).toMatchObject({ ok: true });
    expect(await run({ signal, nowMs: Date.now() + 91 * DAY_MS })).toMatchObject({
      cause: 'client_cert_expired',
    });
  });

  test('a new certificate is used for the next probe', async () => {
    const server = await serve(startTlsServer(broker, authority.certPem));
    const set = await setOf();
    const { run } = createTlsProbe(targetOf(set, server.port), BRIEF);
    const options = { signal: new AbortController().signal, nowMs: Date.now() };
    expect(await run(options)).toMatchObject({ ok: true });
    await set.write({ key: (await authority.issue()).keyPem });
    expect(await run(options)).toMatchObject({ cause: 'client_key_mismatch' });
    await set.write({ key: client.keyPem });
    expect(await run(options)).toMatchObject({ ok: true });
  });
});

describe('names', () => {
  function withResolver(resolve: ProbeInternals['resolve']): ProbeInternals {
    return resolve === undefined ? BRIEF : { ...BRIEF, resolve };
  }

  function resolverError(code: string): Error {
    return Object.assign(new Error(`getaddrinfo ${code} broker.example.com`), { code });
  }

  const named = { host: 'broker.example.com', serverName: 'broker.example.com' };

  test('a name that does not exist is dns', async () => {
    const refuse = () => Promise.reject(resolverError('ENOTFOUND'));
    const verdict = await probeFails(targetOf(await setOf(), 1, named), withResolver(refuse));
    expect(verdict).toMatchObject({
      cause: 'dns',
      phase: 'dns',
      error: 'getaddrinfo ENOTFOUND broker.example.com',
    });
    expect(verdict.hint).toContain('broker.example.com');
  });

  test('a resolver in trouble is dns with another hint', async () => {
    const refuse = () => Promise.reject(resolverError('EAI_AGAIN'));
    const verdict = await probeFails(targetOf(await setOf(), 1, named), withResolver(refuse));
    expect(verdict).toMatchObject({ cause: 'dns', hint: expect.stringMatching(/resolver/) });
  });

  test('a name without addresses is dns', async () => {
    const verdict = await probeFails(
      targetOf(await setOf(), 1, named),
      withResolver(async () => []),
    );
    expect(verdict.cause).toBe('dns');
  });

  test('a resolver that never answers is a timeout in phase dns, within the budget', MEASURED, async () => {
    const never = () => new Promise<never>(() => undefined);
    const verdict = await probeFails(
      targetOf(await setOf(), 1, { ...named, timeoutMs: 150 }),
      withResolver(never),
    );
    expect(verdict).toMatchObject({ cause: 'timeout', phase: 'dns' });
    expect(verdict.durationMs).toBeLessThan(1_000);
  });

  test('does not ask again while a lookup that was given up is still under way', async () => {
    const asked = vi.fn(() => new Promise<never>(() => undefined));
    const { run } = createTlsProbe(
      targetOf(await setOf(), 1, { ...named, timeoutMs: HANGS_AFTER_MS }),
      withResolver(asked),
    );
    const options = { signal: new AbortController().signal, nowMs: Date.now() };
    for (let round = 0; round < 3; round++) expect(await run(options)).toMatchObject({ phase: 'dns' });
    expect(asked).toHaveBeenCalledTimes(1);
  });

  test('asks again once the lookup has ended, whatever came of it', async () => {
    const asked = vi.fn(() => Promise.reject(resolverError('EAI_AGAIN')));
    const { run } = createTlsProbe(targetOf(await setOf(), 1, named), withResolver(asked));
    const options = { signal: new AbortController().signal, nowMs: Date.now() };
    for (let round = 0; round < 2; round++) expect(await run(options)).toMatchObject({ cause: 'dns' });
    expect(asked).toHaveBeenCalledTimes(2);
  });

  test('the resolver of the system is asked for a name and not for an address', async () => {
    const server = await serve(startTlsServer(broker, authority.certPem));
    const set = await setOf();
    const byName = await probe(targetOf(set, server.port, { host: 'localhost' }), BRIEF);
    expect(byName).toMatchObject({ ok: true, phaseMs: { dns: expect.any(Number) } });
    const byAddress = await probe(targetOf(set, server.port), BRIEF);
    expect(byAddress.phaseMs).not.toHaveProperty('dns');
  });

  test('a trailing dot goes to the resolver and not into the handshake', async () => {
    const sent: unknown[] = [];
    const server = await serve(
      startTlsServer(broker, authority.certPem, {}, (socket) => sent.push(nameSentTo(socket))),
    );
    const resolve = vi.fn(async () => ['127.0.0.1']);
    const dotted = { host: 'broker.example.com.', serverName: 'broker.example.com.' };
    expect(await probe(targetOf(await setOf(), server.port, dotted), withResolver(resolve))).toMatchObject({
      ok: true,
    });
    expect(resolve).toHaveBeenCalledWith('broker.example.com.');
    expect(sent).toEqual(['broker.example.com']);
  });

  test.each([undefined, '127.0.0.1'])(
    'sends no name and verifies the address when the name is %s',
    async (serverName) => {
      const sent: unknown[] = [];
      const server = await serve(
        startTlsServer(broker, authority.certPem, {}, (socket) => sent.push(nameSentTo(socket))),
      );
      expect(await probe(targetOf(await setOf(), server.port, { serverName }), BRIEF)).toMatchObject({
        ok: true,
      });
      expect(sent).toEqual([false]);
    },
  );

  test('an address that the certificate is not for is server_name_mismatch', async () => {
    const other = await authority.issue({ cn: 'broker', sans: ['broker.example.com', '192.0.2.1'] });
    const server = await serve(startTlsServer(other, authority.certPem));
    const verdict = await probeFails(targetOf(await setOf(), server.port, { serverName: undefined }));
    expect(verdict).toMatchObject({
      cause: 'server_name_mismatch',
      phase: 'tls',
      server: { subject: 'CN=broker' },
    });
    expect(verdict.hint).toContain('broker.example.com, 192.0.2.1');
    expect(verdict.hint).toContain('TLS_SNI');
  });

  test.each(['127.0.0.1', 'localhost'])(
    'a certificate with nothing but the common name %s is accepted',
    async (cn) => {
      const server = await serve(startTlsServer(await authority.issue({ cn }), authority.certPem));
      expect(await probe(targetOf(await setOf(), server.port, { serverName: cn }), BRIEF)).toMatchObject({
        ok: true,
      });
    },
  );

  test('an address that stands in a DNS name is accepted, as the bridge of Mosquitto 2.0 does', async () => {
    const sans = [{ type: 'dns', value: '127.0.0.1' }] as const;
    const server = await serve(startTlsServer(await authority.issue({ cn: 'x', sans }), authority.certPem));
    const target = targetOf(await setOf(), server.port, { serverName: undefined });
    expect(await probe(target, BRIEF)).toMatchObject({ ok: true });
  });

  test.each<[string, string, readonly AlternativeName[]]>([
    ['a URI', '127.0.0.1', [{ type: 'url', value: '127.0.0.1' }]],
    ['an email address', 'localhost', [{ type: 'email', value: 'localhost' }]],
    ['a name with a blank before it', 'localhost', [{ type: 'dns', value: ' localhost' }]],
    ['a name with a dot behind it', 'localhost', [{ type: 'dns', value: 'localhost.' }]],
    ['a name with an invisible sign in it', 'localhost', [{ type: 'dns', value: 'local\0host' }]],
    ['a name that goes on behind a NUL', 'localhost', [{ type: 'dns', value: 'localhost\0.evil.example' }]],
    ['another spelling of the address', '::1', [{ type: 'dns', value: '0:0:0:0:0:0:0:1' }]],
  ])('a certificate is never for the same name and not for it: %s', async (_what, asked, sans) => {
    const server = await serve(startTlsServer(await authority.issue({ cn: 'x', sans }), authority.certPem));
    const target = targetOf(await setOf(), server.port, { serverName: asked });
    const { cause, hint } = await probeFails(target);
    expect(cause).toBe('server_name_mismatch');
    const names = / but for (.*?): if/.exec(hint)?.[1]?.split(', ') ?? [];
    expect(hint).toContain(`not for ${asked}`);
    expect(names).not.toContain(asked);
  });

  test('of a certificate with thousands of names only a few are told', async () => {
    const sans = Array.from({ length: 2_000 }, (_, at) => `a${at}.example.com`);
    const server = await serve(startTlsServer(await authority.issue({ sans }), authority.certPem));
    const { hint, error } = await probeFails(targetOf(await setOf(), server.port));
    expect(hint).toMatch(/for a0\.example\.com, .*a4\.example\.com and 1995 more: if/);
    expect(error.length).toBeLessThan(350);
  });

  test('a common name does not count beside DNS names', async () => {
    const identity = await authority.issue({ cn: '127.0.0.1', sans: ['broker.example.com'] });
    const server = await serve(startTlsServer(identity, authority.certPem));
    const verdict = await probeFails(targetOf(await setOf(), server.port, { serverName: undefined }));
    expect(verdict.cause).toBe('server_name_mismatch');
  });
});

describe('addresses', () => {
  const hasIPv6 = Object.values(networkInterfaces()).some((all) =>
    all?.some(({ address }) => address === '::1'),
  );

  test.skipIf(!hasIPv6)('an IPv6 address works with and without brackets', async () => {
    const server = await serve(startTlsServer(broker, authority.certPem, {}, () => undefined, '::1'));
    const set = await setOf();
    for (const host of ['::1', '[::1]']) {
      const verdict = await probe(targetOf(set, server.port, { host, serverName: undefined }), BRIEF);
      expect(verdict).toMatchObject({ ok: true, address: `[::1]:${server.port}` });
    }
  });

  test('a first address that refuses does not matter', async () => {
    const server = await serve(startTlsServer(broker, authority.certPem));
    const resolve = async () => ['127.0.0.3', '127.0.0.1'];
    const verdict = await probe(targetOf(await setOf(), server.port, { host: 'broker.example.com' }), {
      ...BRIEF,
      resolve,
    });
    expect(verdict).toMatchObject({ ok: true, address: `127.0.0.1:${server.port}` });
  });

  test('a first address that is dead leaves the next one its time, and both outcomes are named', async () => {
    const hole = await serve(startBlackHole());
    const target = targetOf(await setOf(), hole.port, {
      host: 'broker.example.com',
      timeoutMs: HANGS_AFTER_MS,
    });
    const resolve = async () => ['127.0.0.1', '127.0.0.2'];
    const verdict = await probeFails(target, { ...BRIEF, resolve });
    expect(verdict).toMatchObject({ cause: 'tcp', phase: 'tcp', address: `127.0.0.2:${hole.port}` });
    expect(verdict.error).toMatch(
      /^no TCP connection to 127\.0\.0\.1:\d+ within \d+ ms; connect ECONNREFUSED 127\.0\.0\.2:\d+$/,
    );
  });

  test('of thousands of addresses a few of each family are tried', async () => {
    const port = await closedPort();
    const many = (prefix: string) => Array.from({ length: 2_000 }, (_, at) => `${prefix}${(at % 250) + 1}`);
    const resolve = async () => [...many('::ffff:127.0.1.'), ...many('127.0.2.')];
    const target = targetOf(await setOf(), port, { host: 'broker.example.com' });
    const { cause, error, hint } = await probeFails(target, { ...BRIEF, resolve });
    expect(cause).toBe('tcp');
    expect(error.match(/ECONNREFUSED/g)).toHaveLength(16);
    expect(error).toMatch(/127\.0\.2\.8:\d+; 3984 more addresses were not tried$/);
    expect(hint).toContain('127.0.2.8');
  });

  test('a port that nobody listens on is tcp, with the port in the hint', async () => {
    const port = await closedPort();
    const verdict = await probeFails(targetOf(await setOf(), port));
    expect(verdict).toMatchObject({
      cause: 'tcp',
      phase: 'tcp',
      error: `connect ECONNREFUSED 127.0.0.1:${port}`,
    });
    expect(verdict.hint).toContain(`127.0.0.1:${port}`);
  });

  test('a network that swallows the packets is a timeout in phase tcp', async () => {
    const hole = await serve(startBlackHole());
    const verdict = await probeFails(targetOf(await setOf(), hole.port, { timeoutMs: HANGS_AFTER_MS }));
    expect(verdict).toMatchObject({
      cause: 'timeout',
      phase: 'tcp',
      hint: expect.stringMatching(/firewall/),
    });
  });
});

describe('a server that does not speak TLS with us', () => {
  test('silence is a timeout in phase tls', MEASURED, async () => {
    const server = await serve(startTcpServer(() => undefined));
    const verdict = await probeFails(targetOf(await setOf(), server.port, { timeoutMs: 200 }));
    expect(verdict).toMatchObject({
      cause: 'timeout',
      phase: 'tls',
      hint: expect.stringMatching(/TLS port/),
    });
    expect(verdict.durationMs).toBeLessThan(1_000);
  });

  test.each(VERSIONS)('a server that freezes half-way is a timeout in phase tls (%s)', async (version) => {
    const upstream = await serve(startTlsServer(broker, authority.certPem, { maxVersion: version }));
    const frozen = await serve(startFreezingRelay(upstream.port, 300));
    const verdict = await probeFails(targetOf(await setOf(), frozen.port, { timeoutMs: HANGS_AFTER_MS }));
    expect(verdict).toMatchObject({ cause: 'timeout', phase: 'tls' });
  });

  test('HTTP is protocol', async () => {
    const server = await serve(
      startTcpServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))),
    );
    const verdict = await probeFails(targetOf(await setOf(), server.port));
    expect(verdict).toMatchObject({
      cause: 'protocol',
      phase: 'tls',
      hint: expect.stringMatching(/not TLS/),
    });
  });

  test('a banner of SSH is protocol', async () => {
    const server = await serve(startTcpServer((socket) => socket.write('SSH-2.0-OpenSSH_9.2p1\r\n')));
    expect((await probeFails(targetOf(await setOf(), server.port))).cause).toBe('protocol');
  });

  test.each(['end', 'resetAndDestroy'] as const)(
    'a plain MQTT port (%s on the first byte) is protocol and names port 1883',
    async (hangUp) => {
      const server = await serve(startTcpServer((socket) => socket.once('data', () => socket[hangUp]())));
      const verdict = await probeFails(targetOf(await setOf(), server.port));
      expect(verdict).toMatchObject({ cause: 'protocol', phase: 'tls', hint: expect.stringMatching(/1883/) });
    },
  );

  test('a connection that is reset at once is protocol or tcp, never a success', async () => {
    const server = await serve(startTcpServer((socket) => socket.resetAndDestroy()));
    const verdict = await probeFails(targetOf(await setOf(), server.port));
    expect(['protocol', 'tcp']).toContain(verdict.cause);
  });

  test('a server that knows only TLS 1.1 is protocol', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const server = await serve(startTlsServer(broker, authority.certPem, old));
    const verdict = await probeFails(targetOf(await setOf(), server.port));
    expect(verdict).toMatchObject({ cause: 'protocol', hint: expect.stringMatching(/alert 70/) });
  });

  test('a server without a common cipher is protocol, not a rejected certificate', async () => {
    const rsaOnly = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' } as const;
    const server = await serve(startTlsServer(broker, authority.certPem, rsaOnly));
    const verdict = await probeFails(targetOf(await setOf(), server.port));
    expect(verdict).toMatchObject({ cause: 'protocol', hint: expect.stringMatching(/alert 40/) });
    expect(verdict).not.toHaveProperty('server');
  });

  test('alert 112 is sni_rejected and asks for TLS_SNI', async () => {
    const unknownName = plainAlert(112);
    const server = await serve(
      startTcpServer((socket) => socket.once('data', () => socket.end(unknownName))),
    );
    const verdict = await probeFails(targetOf(await setOf(), server.port));
    expect(verdict).toMatchObject({ cause: 'sni_rejected', hint: expect.stringMatching(/TLS_SNI/) });
  });

  test('an alert about certificates proves nothing before certificates were exchanged', async () => {
    const accessDenied = plainAlert(49);
    const server = await serve(
      startTcpServer((socket) => socket.once('data', () => socket.end(accessDenied))),
    );
    expect((await probeFails(targetOf(await setOf(), server.port))).cause).toBe('protocol');
  });

  test('whatever bytes come back, there is a verdict with a cause from the list', async () => {
    let answer = Buffer.alloc(0);
    const server = await serve(startTcpServer((socket) => socket.once('data', () => socket.end(answer))));
    const { run } = createTlsProbe(targetOf(await setOf(), server.port, { timeoutMs: 2_000 }), BRIEF);
    const handshakeRecord = fc
      .uint8Array({ maxLength: 200 })
      .map((body) => Buffer.concat([Buffer.from([0x16, 3, 3, 0, body.length]), body]));
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }).map(Buffer.from), handshakeRecord);
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        answer = Buffer.from(sent);
        const verdict = await run({ signal: new AbortController().signal, nowMs: Date.now() });
        expect(verdict?.ok).toBe(false);
        if (verdict?.ok === false) expect(PROBE_CAUSES).toContain(verdict.cause);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a server that we do not trust', () => {
  async function refused(identity: Issued, chain?: string, ca = authority.certPem): Promise<ProbeFailure> {
    const options = chain === undefined ? {} : { cert: chain };
    const server = await serve(startTlsServer(identity, authority.certPem, options));
    return probeFails(targetOf(await setOf({ ...contentsOf(authority, client), ca }), server.port));
  }

  test('an expired server certificate is server_cert_expired, with the certificate in the verdict', async () => {
    const dates = { notBefore: daysFromNow(-9), notAfter: daysFromNow(-1.5) };
    const verdict = await refused(await authority.issue({ cn: 'late', sans: ['localhost'], ...dates }));
    expect(verdict).toMatchObject({
      cause: 'server_cert_expired',
      phase: 'tls',
      error: 'CERT_HAS_EXPIRED: certificate has expired',
      server: { subject: 'CN=late', daysRemaining: -2 },
    });
  });

  test('a server certificate of the future is server_cert_expired with a word about the clock', async () => {
    const verdict = await refused(await authority.issue({ sans: ['localhost'], notBefore: daysFromNow(1) }));
    expect(verdict).toMatchObject({ cause: 'server_cert_expired', hint: expect.stringMatching(/clock/) });
  });

  test('an expired CA above a good certificate is server_cert_expired and points at the CA', async () => {
    const old = await createAuthority({
      cn: 'Old CA',
      notBefore: daysFromNow(-9),
      notAfter: daysFromNow(-1),
    });
    const verdict = await refused(await old.issue({ sans: ['localhost'] }), undefined, old.certPem);
    expect(verdict).toMatchObject({ cause: 'server_cert_expired', hint: expect.stringMatching(/ca\.crt/) });
  });

  test('a self-signed server certificate is server_cert_untrusted', async () => {
    const verdict = await refused(await createSelfSigned({ sans: ['localhost'] }));
    expect(verdict).toMatchObject({
      cause: 'server_cert_untrusted',
      error: expect.stringMatching(/^DEPTH_ZERO_SELF_SIGNED_CERT/),
    });
  });

  test('a chain to a root that we do not have is server_cert_untrusted', async () => {
    const other = await stranger.issue({ sans: ['localhost'] });
    const verdict = await refused(other, other.certPem + stranger.certPem);
    expect(verdict).toMatchObject({
      cause: 'server_cert_untrusted',
      error: expect.stringMatching(/^SELF_SIGNED_CERT_IN_CHAIN/),
    });
  });

  test('the wrong CA is server_cert_untrusted and names the issuer that is missing', async () => {
    const verdict = await refused(await stranger.issue({ sans: ['localhost'] }));
    expect(verdict).toMatchObject({
      cause: 'server_cert_untrusted',
      error: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE: unable to verify the first certificate',
      hint: expect.stringMatching(/CN=Some Other CA/),
    });
  });

  test('an intermediate that the server does not send is server_cert_untrusted', async () => {
    const behind = await (await authority.intermediate({ cn: 'Issuing CA' })).issue({ sans: ['localhost'] });
    const verdict = await refused(behind, behind.certPem);
    expect(verdict).toMatchObject({
      cause: 'server_cert_untrusted',
      hint: expect.stringMatching(/CN=Issuing CA/),
    });
  });

  test('a CA of the same name with another key is server_cert_untrusted', async () => {
    const twin = await createAuthority({ cn: 'Upstream CA' });
    const verdict = await refused(await twin.issue({ sans: ['localhost'] }));
    expect(verdict.cause).toBe('server_cert_untrusted');
  });

  test('a certificate that is not for servers is server_cert_untrusted', async () => {
    const verdict = await refused(await authority.issue({ sans: ['localhost'], usages: ['client'] }));
    expect(verdict).toMatchObject({
      cause: 'server_cert_untrusted',
      error: expect.stringMatching(/^INVALID_PURPOSE/),
    });
  });

  test('a server certificate with SHA-1 is server_cert_untrusted', async () => {
    const root = await createAuthority({ key: 'rsa-2048' });
    const weak = await root.issue({ key: 'rsa-2048', sans: ['localhost'], hash: 'SHA-1' });
    const server = await serve(startTlsServer(weak, authority.certPem, { ciphers: 'DEFAULT@SECLEVEL=0' }));
    const verdict = await probeFails(
      targetOf(await setOf({ ...contentsOf(authority, client), ca: root.certPem }), server.port),
    );
    expect(verdict).toMatchObject({
      cause: 'server_cert_untrusted',
      hint: expect.stringMatching(/too weak/),
    });
  });

  test('another name than the one asked for is server_name_mismatch and offers the names that there are', async () => {
    const verdict = await refused(await authority.issue({ sans: ['mqtt.example.com', 'mqtt2.example.com'] }));
    expect(verdict).toMatchObject({ cause: 'server_name_mismatch', phase: 'tls' });
    expect(verdict.hint).toContain('mqtt.example.com, mqtt2.example.com');
  });

  test('a name with control characters does not reach the terminal', async () => {
    const verdict = await refused(
      await stranger.issue({ subject: 'CN=evil\u001b[31m', sans: ['localhost'] }),
    );
    expect(JSON.stringify(verdict)).not.toMatch(/\\u001b/);
  });

  test('is not trusted because the environment says so', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    expect((await refused(await stranger.issue({ sans: ['localhost'] }))).cause).toBe(
      'server_cert_untrusted',
    );
  });
});

describe('a server that refuses the client certificate', () => {
  test.each([40, 42, 43, 44, 45, 46, 48, 49, 116])(
    'alert %i during a TLS 1.2 handshake is client_cert_rejected',
    async (alert) => {
      const upstream = await serve(startTlsServer(broker, authority.certPem, { maxVersion: 'TLSv1.2' }));
      const relay = await serve(
        startSecondFlightRelay(upstream.port, (socket) => socket.end(plainAlert(alert))),
      );
      const verdict = await probeFails(targetOf(await setOf(), relay.port));
      expect(verdict).toMatchObject({
        cause: 'client_cert_rejected',
        phase: 'tls',
        protocol: 'TLSv1.2',
        server: { subject: 'CN=broker' },
        error: expect.stringContaining(`SSL alert number ${alert}`),
        hint: expect.stringMatching(new RegExp(`alert ${alert}, [a-z_]+`)),
      });
    },
  );

  test('alert 47 to a key on a curve that few servers take is client_cert_rejected', async () => {
    const { set, port } = await withCurve('secp256k1', 47);
    const verdict = await probeFails(targetOf(set, port));
    expect(verdict).toMatchObject({ cause: 'client_cert_rejected', phase: 'tls', protocol: 'TLSv1.2' });
    expect(verdict.hint).toMatch(/curve secp256k1.*alert 47, illegal_parameter/);
  });

  test('any other alert to such a key proves no more than to another', async () => {
    const { set, port } = await withCurve('secp256k1', 50);
    expect((await probeFails(targetOf(set, port))).cause).toBe('protocol');
  });

  test.each([10, 47, 50, 51, 80])('alert %i is no proof of a refusal', async (alert) => {
    const upstream = await serve(startTlsServer(broker, authority.certPem, { maxVersion: 'TLSv1.2' }));
    const relay = await serve(
      startSecondFlightRelay(upstream.port, (socket) => socket.end(plainAlert(alert))),
    );
    expect((await probeFails(targetOf(await setOf(), relay.port))).cause).toBe('protocol');
  });

  test('a reset on our certificate during a TLS 1.2 handshake is protocol, with a hint at the certificate', async () => {
    const upstream = await serve(startTlsServer(broker, authority.certPem, { maxVersion: 'TLSv1.2' }));
    const relay = await serve(startSecondFlightRelay(upstream.port, (socket) => socket.resetAndDestroy()));
    const verdict = await probeFails(targetOf(await setOf(), relay.port));
    expect(verdict).toMatchObject({
      cause: 'protocol',
      phase: 'tls',
      hint: expect.stringMatching(/client\.crt/),
    });
    expect(verdict.hint).not.toMatch(/1883/);
  });

  test('an alert after the TLS 1.3 handshake is client_cert_rejected, not a success', async () => {
    // the server accepts only signatures of RSA, so our EC certificate stays at home: alert 116 one round trip later
    const rsa = await authority.issue({ key: 'rsa-2048', sans: ['localhost'] });
    const server = await serve(
      startTlsServer(rsa, authority.certPem, { minVersion: 'TLSv1.3', sigalgs: 'RSA-PSS+SHA256' }),
    );
    const verdict = await probeFails(targetOf(await setOf(), server.port));
    expect(verdict).toMatchObject({ cause: 'client_cert_rejected', phase: 'settle', protocol: 'TLSv1.3' });
    expect(verdict.hint).toMatch(/alert 116/);
  });

  test.each(VERSIONS)(
    'a server that closes without a word after the handshake is closed_after_handshake (%s)',
    async (version) => {
      const server = await serve(
        startTlsServer(broker, authority.certPem, { maxVersion: version }, (socket) => socket.end()),
      );
      const verdict = await probeFails(targetOf(await setOf(), server.port));
      expect(verdict).toMatchObject({ cause: 'closed_after_handshake', phase: 'settle', protocol: version });
    },
  );

  test('a reset after the handshake is closed_after_handshake', async () => {
    const relay = await interruptedAfterHandshake((client) => client.resetAndDestroy());
    const verdict = await probeFails(targetOf(await setOf(), relay.port));
    expect(verdict).toMatchObject({
      cause: 'closed_after_handshake',
      phase: 'settle',
      error: 'read ECONNRESET',
    });
  });

  test('a refusal that came while the process was held up is none the less one', async () => {
    const server = await serve(
      startTlsServer(broker, authority.certPem, { minVersion: 'TLSv1.3' }, (socket) => {
        socket.destroy();
        // longer than the settle time, of which the handshake is a part
        holdUp(1_500);
      }),
    );
    const verdict = await probe(targetOf(await setOf(), server.port), PATIENT);
    expect(verdict).toMatchObject({ cause: 'closed_after_handshake', phase: 'settle' });
  });

  test('bytes that are no TLS after the handshake are closed_after_handshake', async () => {
    const relay = await interruptedAfterHandshake((client) => client.write('this is not TLS'));
    const verdict = await probeFails(targetOf(await setOf(), relay.port));
    expect(verdict).toMatchObject({ cause: 'closed_after_handshake', phase: 'settle' });
  });
});

test('listens for a refusal without waking up while nothing comes', async () => {
  const server = await serve(startTlsServer(broker, authority.certPem));
  const turns = () => performance.nodeTiming.uvMetricsInfo.loopCount;
  const at = new Map<ProbePhase, number>();
  const once = createTlsProbe(targetOf(await setOf(), server.port), { settleMinMs: 1_000 });
  await once.run({
    signal: new AbortController().signal,
    nowMs: Date.now(),
    // when each has ended
    onPhase: (phase) => at.set(phase, turns()),
  });
  const wakeUps = (at.get('settle') ?? Number.NaN) - (at.get('tls') ?? 0);
  // the end of the handshake on the server's side, its tickets, the end of the time
  expect(wakeUps).toBeLessThan(15);
});

describe('an upstream that sends without end', () => {
  /** Sends as fast as it is read, and counts. */
  function flooding(answer?: Buffer) {
    const sent = { bytes: 0, closed: Promise.withResolvers<void>() };
    const server = serve(
      startTlsServer(broker, authority.certPem, {}, (socket) => {
        const chunk = Buffer.alloc(65_536, 'x');
        const flood = () => {
          while (!socket.destroyed && socket.write(chunk)) sent.bytes += chunk.length;
        };
        socket.on('drain', flood).once('close', sent.closed.resolve);
        if (answer === undefined) return flood();
        socket.once('data', () => {
          socket.write(answer);
          flood();
        });
      }),
    );
    return { server, sent };
  }

  test('while the probe listens for a refusal is protocol, and is cut off', MEASURED, async () => {
    const { server, sent } = flooding();
    const verdict = await probeFails(targetOf(await setOf(), (await server).port));
    expect(verdict).toMatchObject({
      cause: 'protocol',
      phase: 'settle',
      hint: expect.stringMatching(/without end/),
    });
    expect(verdict.phaseMs.settle).toBeLessThan(900);
    await sent.closed.promise;
  });

  test('instead of a CONNACK is protocol, and is cut off', async () => {
    const { server, sent } = flooding();
    const verdict = await probeFails(targetOf(await setOf(), (await server).port, { mode: 'mqtt' }));
    expect(verdict).toMatchObject({ cause: 'protocol', phase: 'mqtt' });
    await sent.closed.promise;
  });

  test('behind its CONNACK has accepted the login, and is cut off', async () => {
    const connack = generate({ cmd: 'connack', returnCode: 0, sessionPresent: false });
    const { server, sent } = flooding(connack);
    const verdict = await probe(targetOf(await setOf(), (await server).port, { mode: 'mqtt' }));
    expect(verdict).toMatchObject({ ok: true, proof: 'connack' });
    await sent.closed.promise;
  });

  test('bytes of TLS before the handshake is done is protocol, and is cut off', async () => {
    // HelloRequest (RFC 5246, 7.4.1.1), which a client has to ignore while it shakes hands
    const helloRequests = Buffer.from('160303000400000000', 'hex');
    const chunk = Buffer.concat(Array.from({ length: 1_000 }, () => helloRequests));
    const closed = Promise.withResolvers<void>();
    const server = await serve(
      startTcpServer((socket) => {
        const flood = () => {
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on('drain', flood).on('close', () => closed.resolve());
        flood();
      }),
    );
    const verdict = await probeFails(targetOf(await setOf(), server.port));
    expect(verdict).toMatchObject({ cause: 'protocol', phase: 'tls' });
    await closed.promise;
  });

  test('certificates is protocol: OpenSSL takes no more than 100 kB', async () => {
    const chain = broker.certPem + authority.certPem.repeat(300);
    const server = await serve(startTlsServer(broker, authority.certPem, { cert: chain }));
    const verdict = await probeFails(targetOf(await setOf(), server.port));
    expect(verdict).toMatchObject({
      cause: 'protocol',
      phase: 'tls',
      error: 'excessive message size',
      hint: expect.stringMatching(/more certificates than OpenSSL takes/),
    });
  });

  test('a subject of 50 kB is cut in the verdict', async () => {
    const identity = await authority.issue({ subject: `CN=${'x'.repeat(50_000)}`, sans: ['localhost'] });
    const server = await serve(startTlsServer(identity, authority.certPem));
    const verdict = await probe(targetOf(await setOf(), server.port), BRIEF);
    expect(verdict.ok).toBe(true);
    expect(JSON.stringify(verdict).length).toBeLessThan(1_000);
  });
});

describe('mqtt mode', () => {
  const mqtt = { mode: 'mqtt' } as const;

  /** A TLS server that answers each MQTT packet as told; resolves with the packets when the client has gone. */
  async function mqttServer(answer: (packet: Packet, socket: TLSSocket) => void) {
    const packets: Packet[] = [];
    const gone = Promise.withResolvers<Packet[]>();
    const server = await serve(
      startTlsServer(broker, authority.certPem, {}, (socket) => {
        const read = parser({ protocolVersion: 4 });
        read.on('packet', (packet: Packet) => {
          packets.push(packet);
          answer(packet, socket);
        });
        socket.on('data', (chunk) => read.parse(chunk));
        socket.on('close', () => gone.resolve(packets));
      }),
    );
    return { port: server.port, gone: gone.promise };
  }

  function connack(returnCode: number) {
    return (packet: Packet, socket: TLSSocket) => {
      if (packet.cmd === 'connect')
        socket.write(generate({ cmd: 'connack', returnCode, sessionPresent: false }));
    };
  }

  test('a login is a success with proof, at once, and the broker is told goodbye', MEASURED, async () => {
    const server = await mqttServer(connack(0));
    const verdict = await probe(targetOf(await setOf(), server.port, mqtt), {});
    expect(verdict).toMatchObject({ ok: true, proof: 'connack' });
    expect(Object.keys(verdict.phaseMs)).toEqual(['files', 'tcp', 'tls', 'mqtt']);
    expect(verdict.durationMs).toBeLessThan(1_500);
    const packets = await server.gone;
    expect(packets.map(({ cmd }) => cmd)).toEqual(['connect', 'disconnect']);
    expect(packets[0]).toMatchObject({
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId: expect.stringMatching(/^mosquitto-cert-watcher-probe-[0-9a-f]{12}$/),
    });
    expect(packets[0]).not.toHaveProperty('will');
    expect(packets[0]).not.toHaveProperty('username');
  });

  test('two probes never share a client id', async () => {
    const ids: unknown[] = [];
    const server = await mqttServer((packet, socket) => {
      if (packet.cmd === 'connect') ids.push(packet.clientId);
      connack(0)(packet, socket);
    });
    const { run } = createTlsProbe(targetOf(await setOf(), server.port, mqtt));
    const options = { signal: new AbortController().signal, nowMs: Date.now() };
    await Promise.all([run(options), run(options)]);
    expect(new Set(ids).size).toBe(2);
  });

  test.each([
    [1, 'unacceptable protocol version'],
    [2, 'identifier rejected'],
    [3, 'server unavailable'],
    [4, 'bad user name or password'],
    [5, 'not authorized'],
  ])('return code %i is mqtt_refused and named', async (code, name) => {
    const server = await mqttServer(connack(code));
    const verdict = await probeFails(targetOf(await setOf(), server.port, mqtt));
    expect(verdict).toMatchObject({
      cause: 'mqtt_refused',
      phase: 'mqtt',
      error: `connack with return code ${code} (${name})`,
    });
    expect(verdict.hint).toContain(name);
  });

  test('a silent broker is a timeout in phase mqtt', async () => {
    const server = await mqttServer(() => undefined);
    const verdict = await probeFails(
      targetOf(await setOf(), server.port, { ...mqtt, timeoutMs: HANGS_AFTER_MS }),
      BRIEF,
    );
    expect(verdict).toMatchObject({ cause: 'timeout', phase: 'mqtt' });
  });

  test('a broker that hangs up instead of an answer is closed_after_handshake', async () => {
    const server = await mqttServer((_packet, socket) => socket.end());
    const verdict = await probeFails(targetOf(await setOf(), server.port, mqtt));
    expect(verdict).toMatchObject({ cause: 'closed_after_handshake', phase: 'mqtt' });
  });

  test('a refused certificate is client_cert_rejected and never a CONNACK', async () => {
    const rsa = await authority.issue({ key: 'rsa-2048', sans: ['localhost'] });
    const server = await serve(
      startTlsServer(rsa, authority.certPem, { minVersion: 'TLSv1.3', sigalgs: 'RSA-PSS+SHA256' }),
    );
    const verdict = await probeFails(targetOf(await setOf(), server.port, mqtt));
    expect(verdict).toMatchObject({ cause: 'client_cert_rejected', phase: 'mqtt' });
  });

  test.each([
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['another packet than CONNACK', Buffer.from([0xd0, 0x00])],
    [
      'more and more bytes',
      Buffer.concat([Buffer.from([0x20, 0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(80_000)]),
    ],
  ])('%s is protocol', async (_name, bytes) => {
    const server = await serve(
      startTlsServer(broker, authority.certPem, {}, (socket) => socket.write(bytes)),
    );
    const verdict = await probeFails(targetOf(await setOf(), server.port, mqtt), BRIEF);
    expect(verdict).toMatchObject({ cause: 'protocol', phase: 'mqtt' });
  });
});

describe('cancellation', () => {
  type Stage = { name: string; phase: ProbePhase; target: Partial<ProbeTarget>; internals: ProbeInternals };

  async function stages(): Promise<readonly Stage[]> {
    const silent = await serve(startTcpServer(() => undefined));
    const good = await serve(startTlsServer(broker, authority.certPem));
    const hole = await serve(startBlackHole());
    const never = () => new Promise<never>(() => undefined);
    return [
      { name: 'dns', phase: 'dns', target: { host: 'broker.example.com' }, internals: { resolve: never } },
      { name: 'tcp', phase: 'tcp', target: { port: hole.port }, internals: {} },
      { name: 'tls', phase: 'tls', target: { port: silent.port }, internals: {} },
      { name: 'settle', phase: 'settle', target: { port: good.port }, internals: {} },
      { name: 'mqtt', phase: 'mqtt', target: { port: good.port, mode: 'mqtt' }, internals: {} },
    ];
  }

  test(
    'ends the probe at once in every phase, without a verdict and without anything left',
    MEASURED,
    async () => {
      const set = await setOf();
      for (const { phase, target, internals } of await stages()) {
        const before = openHandles();
        const cancel = new AbortController();
        const phases: ProbePhase[] = [];
        const onPhase = (ended: ProbePhase) => phases.push(ended);
        const running = createTlsProbe(targetOf(set, 1, target), internals).run({
          signal: cancel.signal,
          nowMs: Date.now(),
          onPhase,
        });
        await setTimeout(100);
        const from = performance.now();
        cancel.abort();
        expect(await running).toBeUndefined();
        expect(performance.now() - from).toBeLessThan(90);
        expect(phases.at(-1)).toBe(phase);
        expect(await leftOver(openHandles, before)).toBe(0);
      }
    },
  );

  test('a signal that is already aborted starts nothing', async () => {
    const touched = vi.fn();
    const server = await serve(startTcpServer(touched));
    const { run } = createTlsProbe(targetOf(await setOf(), server.port));
    expect(await run({ signal: AbortSignal.abort(), nowMs: Date.now() })).toBeUndefined();
    expect(touched).not.toHaveBeenCalled();
  });

  test('leaves no listener on the signal that is used for every probe', async () => {
    const server = await serve(startTlsServer(broker, authority.certPem));
    const { run } = createTlsProbe(targetOf(await setOf(), server.port), BRIEF);
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    await run({ signal, nowMs: Date.now() });
    expect(added).toHaveBeenCalled();
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  });
});

describe('phases', () => {
  test('are reported one by one as they end, with their times', async () => {
    const server = await serve(startTlsServer(broker, authority.certPem));
    const phases: [ProbePhase, number][] = [];
    const { run } = createTlsProbe(targetOf(await setOf(), server.port, { host: 'localhost' }), BRIEF);
    const onPhase = (phase: ProbePhase, ms: number) => phases.push([phase, ms]);
    const verdict = await run({ signal: new AbortController().signal, nowMs: Date.now(), onPhase });
    expect(phases.map(([phase]) => phase)).toEqual(['files', 'dns', 'tcp', 'tls', 'settle']);
    expect(Object.fromEntries(phases)).toEqual(verdict?.phaseMs);
  });

  test.each(['files', 'tcp', 'tls'])(
    'an error that nobody foresaw is a verdict and leaves nothing behind (%s)',
    async (phase) => {
      const server = await serve(startTlsServer(broker, authority.certPem));
      const before = openHandles();
      const onPhase = (ended: ProbePhase) => {
        if (ended === phase) throw new Error('a bug in a listener');
      };
      const { run } = createTlsProbe(targetOf(await setOf(), server.port), BRIEF);
      const verdict = await run({ signal: new AbortController().signal, nowMs: Date.now(), onPhase });
      expect(verdict).toMatchObject({ ok: false, phase, error: 'a bug in a listener' });
      expect(await leftOver(openHandles, before)).toBe(0);
    },
  );
});

describe('a thousand probes', () => {
  test('in a row leave no socket, no timer and no open file behind', async () => {
    const set = await setOf();
    const good = await serve(startTlsServer(broker, authority.certPem));
    const closing = await serve(startTlsServer(broker, authority.certPem, {}, (socket) => socket.end()));
    const http = await serve(
      startTcpServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400\r\n\r\n'))),
    );
    const resets = await serve(startTcpServer((socket) => socket.resetAndDestroy()));
    const untrusted = await serve(startTlsServer(await stranger.issue(), authority.certPem));
    const ports = [good.port, closing.port, http.port, resets.port, untrusted.port, await closedPort()];
    const probes = ports.map((port) => createTlsProbe(targetOf(set, port), { settleMinMs: 2 }));
    const round = () =>
      Promise.all(probes.map(({ run }) => run({ signal: new AbortController().signal, nowMs: Date.now() })));
    for (let warmUp = 0; warmUp < 10; warmUp++) await round();
    const before = { handles: openHandles(), files: await openFiles() };
    for (let done = 0; done < 1_000; done += ports.length) {
      expect((await round()).every((verdict) => verdict !== undefined)).toBe(true);
    }
    expect(await leftOver(openHandles, before.handles)).toBe(0);
    expect(await leftOver(openFiles, before.files)).toBe(0);
  });
});

/** A relay to an upstream that interrupts the connection of the client as soon as the upstream has finished the handshake. */
async function interruptedAfterHandshake(interrupt: (client: Socket) => void): Promise<RunningServer> {
  let client: Socket | undefined;
  const onHandshake = () => client && interrupt(client);
  const upstream = await serve(startTlsServer(broker, authority.certPem, {}, onHandshake));
  return serve(
    startInterruptibleRelay(upstream.port, (socket) => {
      client = socket;
    }),
  );
}

/** A set whose key is on this curve, and an upstream that answers it with this alert. */
async function withCurve(namedCurve: string, alert: number) {
  const privateKey = generateKeyPairSync('ec', { namedCurve }).privateKey;
  const own = await authority.issue({ cn: 'edge-1', privateKey });
  const upstream = await serve(startTlsServer(broker, authority.certPem, { maxVersion: 'TLSv1.2' }));
  const { port } = await serve(
    startSecondFlightRelay(upstream.port, (socket) => socket.end(plainAlert(alert))),
  );
  return { set: await setOf(contentsOf(authority, own)), port };
}

/** Permissions do not stop root, and tests run as root in containers. */
function refuseToOpen(path: string, code: string): void {
  const { open } = fs;
  const spy = vi.spyOn(fs, 'open').mockImplementation((...args: unknown[]) => {
    const [file] = args;
    if (file === path) throw Object.assign(new Error(`${code}: no access, open '${path}'`), { code });
    return Reflect.apply(open, fs, args);
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    spy.mockRestore();
    syncBuiltinESMExports();
  });
}

/** How many more handles than `before` there are; the other side of a connection may need a moment to close. */
async function openFiles(): Promise<number> {
  return process.platform === 'linux' ? (await readdir('/proc/self/fd')).length : 0;
}

/** The server name that the client sent, `false` for none. */
function nameSentTo(socket: TLSSocket): unknown {
  return 'servername' in socket ? socket.servername : undefined;
}
