/**
 * What the probe says about chains and certificates that OpenSSL refuses, each made by OpenSSL: the hint has to fit what
 * is really wrong. About the chain of a server, Mosquitto's own client has to be of the same mind.
 */

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startOpensslServer, type TlsVersion } from '../../lab/real-servers.ts';
import type { ProbeVerdict } from '../../src/core/model/probe.ts';
import { all, describeWith, program } from '../support/needs.ts';
import {
  CA_EXTENSIONS,
  createMint,
  LEAF_EXTENSIONS,
  type Minted,
  type MintOptions,
} from '../support/openssl-certificates.ts';
import { runProbe } from '../support/run-probe.ts';

type Mint = (options: MintOptions) => Promise<Minted>;

let directory: string;
let mint: Mint;
let root: Minted;
let client: Minted;
let server: Minted;

function ca(options: Partial<MintOptions> = {}): Promise<Minted> {
  return mint({ cn: 'Some CA', extensions: CA_EXTENSIONS, ...options });
}

function leaf(by: Minted, options: Partial<MintOptions> = {}): Promise<Minted> {
  return mint({ cn: 'broker', extensions: LEAF_EXTENSIONS, by, ...options });
}

function without(list: readonly string[], start: string, ...more: readonly string[]): string[] {
  return [...list.filter((line) => !line.startsWith(start)), ...more];
}

const NO_CA = without(CA_EXTENSIONS, 'basicConstraints', 'basicConstraints = critical,CA:FALSE');
const NO_SIGNING = without(CA_EXTENSIONS, 'keyUsage', 'keyUsage = critical,cRLSign');
const CLIENTS_ONLY = [...CA_EXTENSIONS, 'extendedKeyUsage = clientAuth'];

interface Chain {
  /** from the server's certificate upwards */
  readonly sent: readonly Minted[];
  readonly caFile: Minted;
}

interface ChainCase {
  readonly what: string;
  readonly error: RegExp;
  readonly hint: RegExp;
  build(): Promise<Chain>;
}

/** A chain of root, intermediate and server, in which the intermediate is special. */
async function below(options: Partial<MintOptions>, above = root): Promise<Chain> {
  const intermediate = await ca({ cn: 'Issuing CA', by: above, ...options });
  return { sent: [await leaf(intermediate), intermediate], caFile: above };
}

/** A chain of root and server, in which the root is special. */
async function under(options: Partial<MintOptions>): Promise<Chain> {
  const special = await ca(options);
  return { sent: [await leaf(special)], caFile: special };
}

async function special(options: Partial<MintOptions>, by = root): Promise<Chain> {
  return { sent: [await leaf(by, options)], caFile: by };
}

const CHAINS: readonly ChainCase[] = [
  {
    what: 'an unknown critical extension',
    error: /^UNSPECIFIED: unhandled critical extension/,
    hint: /critical extension/,
    build: () => special({ extensions: [...LEAF_EXTENSIONS, '1.2.3.4.5 = critical,ASN1:UTF8String:x'] }),
  },
  {
    what: 'a name that its CA may not certify',
    error: /subtree violation/,
    hint: /name constraints/,
    build: () =>
      below({ extensions: [...CA_EXTENSIONS, 'nameConstraints = critical,permitted;DNS:example.com'] }),
  },
  {
    what: 'explicit curve parameters',
    error: /explicit ECC parameters/,
    hint: /named curve/,
    build: () => under({ key: 'explicit' }),
  },
  {
    what: 'a CA in ca.crt that may not sign',
    error: /certificate signing|invalid CA|purpose/,
    hint: /^the CA CN=Some CA in .*ca\.crt is none by its own words/,
    build: () => under({ extensions: NO_SIGNING }),
  },
  {
    what: 'a CA in ca.crt that is no CA',
    error: /invalid CA|purpose/,
    hint: /^the CA CN=Some CA in .*ca\.crt is none by its own words/,
    build: () => under({ extensions: NO_CA }),
  },
  {
    what: 'an intermediate that may not sign',
    error: /certificate signing|invalid CA|purpose/,
    hint: /issued by CN=Issuing CA\) is not made for its place/,
    build: () => below({ extensions: NO_SIGNING }),
  },
  {
    what: 'an intermediate that is no CA',
    error: /invalid CA|purpose/,
    hint: /issued by CN=Issuing CA\) is not made for its place/,
    build: () => below({ extensions: NO_CA }),
  },
  {
    what: 'a CA in ca.crt for clients only',
    error: /^INVALID_PURPOSE/,
    hint: /none for servers \(extended key usage\)/,
    build: () => under({ extensions: CLIENTS_ONLY }),
  },
  {
    what: 'an intermediate for clients only',
    error: /^INVALID_PURPOSE/,
    hint: /none for servers \(extended key usage\)/,
    build: () => below({ extensions: CLIENTS_ONLY }),
  },
  {
    what: 'a certificate for clients only',
    error: /^INVALID_PURPOSE/,
    hint: /^the server's certificate is not made for a server/,
    build: () =>
      special({ extensions: without(LEAF_EXTENSIONS, 'extendedKeyUsage', 'extendedKeyUsage = clientAuth') }),
  },
  {
    what: 'the certificate of a CA as its own',
    error: /^INVALID_PURPOSE/,
    hint: /a server's certificate whose key usage is a CA's/,
    build: async () => {
      const own = await ca({ extensions: [...CA_EXTENSIONS, 'subjectAltName = DNS:localhost'] });
      return { sent: [own], caFile: own };
    },
  },
  {
    what: 'an RSA key of 1024 bits',
    error: /EE certificate key too weak/,
    hint: /^the key of the server's certificate is too weak/,
    build: () => special({ key: 'rsa1024' }),
  },
  {
    what: 'a CA with an RSA key of 1024 bits',
    error: /CA certificate key too weak/,
    hint: /^the key of a CA above the server's certificate/,
    build: () => under({ key: 'rsa1024' }),
  },
  {
    what: 'a signature with SHA-1',
    error: /digest algorithm too weak/,
    hint: /signature that is too weak.*SHA-256/,
    build: async () => special({ digest: 'sha1' }, await ca({ key: 'rsa2048' })),
  },
  {
    what: 'more CAs than one of them allows',
    error: /path length constraint exceeded/,
    hint: /path length/,
    build: async () => {
      const extensions = without(CA_EXTENSIONS, 'basic', 'basicConstraints = critical,CA:TRUE,pathlen:0');
      return below({}, await ca({ extensions }));
    },
  },
  {
    what: 'an intermediate in ca.crt and no root',
    error: /^UNABLE_TO_GET_ISSUER_CERT: /,
    hint: /holds an intermediate CA of the server but not the CAs above it/,
    build: async () => {
      const { sent } = await below({});
      return { sent, caFile: sent[1] ?? root };
    },
  },
  {
    what: 'a CA of the same name in ca.crt with another key',
    error: /^UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
    hint: /right name but another key/,
    build: async () => ({ sent: [await leaf(await ca())], caFile: await ca() }),
  },
];

interface ClientCase {
  readonly what: string;
  readonly alert: number;
  readonly hint: RegExp;
  readonly version?: TlsVersion;
  readonly extra?: readonly string[];
  /** the client's certificate, and the CA that the server trusts */
  build(): Promise<{ readonly own: Minted; readonly trusted: Minted }>;
}

async function from(by: Minted, options: Partial<MintOptions> = {}) {
  return { own: await leaf(by, { cn: 'edge-1', ...options }), trusted: by };
}

const CLIENTS: readonly ClientCase[] = [
  {
    what: 'that is not valid yet by the clock of the upstream',
    alert: 42,
    hint: /is its clock behind/,
    extra: ['-attime', '1600000000'],
    build: () => from(root),
  },
  {
    what: 'whose key is too weak for the upstream',
    alert: 42,
    hint: /too weak for it/,
    extra: ['-cipher', 'DEFAULT@SECLEVEL=3'],
    build: () => from(root, { key: 'rsa2048' }),
  },
  {
    what: 'with explicit curve parameters',
    alert: 42,
    hint: /too weak for it/,
    build: () => from(root, { key: 'explicit' }),
  },
  {
    what: 'with an unknown critical extension',
    alert: 46,
    hint: /critical extension/,
    build: () => from(root, { extensions: [...LEAF_EXTENSIONS, '1.2.3.4.5 = critical,ASN1:UTF8String:x'] }),
  },
  {
    what: 'that the upstream has no revocation list for',
    alert: 48,
    hint: /does it have a list \(CRL\) of this CA/,
    extra: ['-crl_check'],
    build: () => from(root),
  },
  {
    what: 'whose CA is not one for clients',
    alert: 43,
    hint: /and the CAs above it allow client authentication/,
    build: async () => from(await ca({ extensions: [...CA_EXTENSIONS, 'extendedKeyUsage = serverAuth'] })),
  },
  ...['secp256k1', 'brainpoolP256r1', 'secp224r1'].map(
    (key): ClientCase => ({
      what: `on the curve ${key}, under TLS 1.2,`,
      version: 'TLSv1.2',
      alert: 47,
      hint: new RegExp(`does not take a key on the curve ${key}`),
      build: () => from(root, { key }),
    }),
  ),
  // not brainpool: newer releases of OpenSSL take it under TLS 1.3 (RFC 8734)
  ...['secp256k1', 'secp224r1'].map(
    (key): ClientCase => ({
      what: `on the curve ${key}, under TLS 1.3,`,
      version: 'TLSv1.3',
      alert: 116,
      hint: /does not accept the kind of key/,
      build: () => from(root, { key }),
    }),
  ),
  {
    what: 'on the curve P-384 where only P-256 is taken',
    version: 'TLSv1.2',
    alert: 47,
    hint: /does not take a key on the curve secp384r1/,
    extra: ['-groups', 'P-256'],
    build: () => from(root, { key: 'secp384r1' }),
  },
];

const needs = all(program('openssl'), program('mosquitto_sub'));

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hints-'));
  mint = createMint(directory);
  root = await ca({ cn: 'Root CA' });
  client = await leaf(root, { cn: 'edge-1' });
  server = await leaf(root);
});

afterAll(() => rm(directory, { recursive: true }));

describeWith(needs, 'a server with', () => {
  test.concurrent.each(CHAINS)('$what is told as such', async ({ error, hint, build }) => {
    const { sent, caFile } = await build();
    const { verdict, bridgeRefuses } = await probeChain(sent, caFile);
    expect(verdict).toMatchObject({
      ok: false,
      cause: 'server_cert_untrusted',
      phase: 'tls',
      error: expect.stringMatching(error),
      hint: expect.stringMatching(hint),
    });
    expect(bridgeRefuses).toBe(true);
  });

  test.concurrent('a key that TLS 1.3 has no use for is not called an old server', async () => {
    const identity = await leaf(root, { key: 'secp256k1' });
    const upstream = await startOpensslServer(setup([identity], root, 'TLSv1.3'));
    const verdict = await runProbe(setOf(root, client), { port: upstream.port }).finally(upstream.close);
    expect(verdict).toMatchObject({ cause: 'protocol', error: expect.stringMatching(/alert number 70/) });
    expect(verdict).toMatchObject({ hint: expect.stringMatching(/the kind of its key/) });
  });
});

describeWith(needs, 'a client certificate', () => {
  test.concurrent.each(CLIENTS)(
    '$what is refused with alert $alert',
    async ({ alert, hint, version = 'TLSv1.3', extra = [], build }) => {
      const { own, trusted } = await build();
      const upstream = await startOpensslServer({ ...setup([server], trusted, version), extra });
      const verdict = await runProbe(setOf(root, own), { port: upstream.port }).finally(upstream.close);
      expect(verdict).toMatchObject({
        cause: 'client_cert_rejected',
        error: expect.stringContaining(`SSL alert number ${alert}`),
        hint: expect.stringMatching(hint),
      });
    },
  );
});

function setOf(trusted: Minted, own: Minted) {
  return { ca: trusted.certPem, cert: own.certPem, key: own.keyPem };
}

function setup(sent: readonly Minted[], trusted: Minted, version: TlsVersion) {
  const chainPem = sent.map(({ certPem }) => certPem).join('');
  return { identity: { chainPem, keyPem: sent[0]?.keyPem ?? '' }, trusted: trusted.certPem, version };
}

async function probeChain(
  sent: readonly Minted[],
  caFile: Minted,
): Promise<{ verdict: ProbeVerdict; bridgeRefuses: boolean }> {
  const weak = ['-cipher', 'DEFAULT@SECLEVEL=0'];
  const upstream = await startOpensslServer({ ...setup(sent, root, 'TLSv1.3'), extra: weak });
  try {
    const verdict = await runProbe(setOf(caFile, client), { port: upstream.port });
    const trusted = join(directory, `${upstream.port}.crt`);
    await writeFile(trusted, caFile.certPem);
    const args = [
      '-h',
      'localhost',
      '-p',
      String(upstream.port),
      '--cafile',
      trusted,
      '-t',
      'x',
      '-W',
      '5',
      '-d',
    ];
    return {
      verdict,
      bridgeRefuses: /certificate verify failed/.test(await outputOf('mosquitto_sub', args)),
    };
  } finally {
    await upstream.close();
  }
}

function outputOf(name: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(name, [...args], (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}
