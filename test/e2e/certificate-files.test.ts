/**
 * What a file is worth is decided by the broker: `mosquitto_pub` with three files, and a real broker that demands a
 * certificate whose intermediate it does not know. The probe says the same with the same files.
 */

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { type RealServer, startMosquitto } from '../../lab/real-servers.ts';
import { all, describeWith, program } from '../support/needs.ts';
import { runProbe } from '../support/run-probe.ts';

const root = await createAuthority({ cn: 'Root' });
const issuing = await root.intermediate({ cn: 'Issuing' });
const client = await issuing.issue({ cn: 'edge-1' });
const server = await root.issue({ sans: ['127.0.0.1'] });
const other = await createAuthority({ cn: 'Other' });
const crl = await root.crl([]);

const [leaf, above, ca, key] = [client.certPem, issuing.certPem, root.certPem, client.keyPem];
const BOM = '\uFEFF';
const broken = '-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n';
const trusted = (pem: string) => pem.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE');
const wrapped = (pem: string, width: number) =>
  pem.replace(/(-----\n)([^-]+)\n-----END/, (_, begin, body) => {
    const lines = body.replaceAll('\n', '').match(new RegExp(`.{1,${width}}`, 'g'));
    return `${begin}${lines.join('\n')}\n-----END`;
  });
const withoutEnd = (pem: string) => pem.replace(/-----END.*\n/, '');

interface Files {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** A root without any extension, and a client certificate below it that calls itself an authority. */
function createOldRoot() {
  const directory = mkdtempSync(join(tmpdir(), 'old-root-'));
  const openssl = (line: string) =>
    execFileSync('openssl', line.split(' '), { cwd: directory, stdio: 'ignore' });
  const request = (name: string) =>
    openssl(
      `req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`,
    );
  writeFileSync(join(directory, 'extensions'), 'basicConstraints = critical,CA:TRUE\n');
  request('root');
  try {
    openssl('req -x509 -x509v1 -in root.csr -key root.key -days 9 -out root.crt');
  } catch {
    // before 3.2 OpenSSL knows no such option, and makes version 1 unless told
    openssl('x509 -req -in root.csr -signkey root.key -days 9 -out root.crt');
  }
  request('edge-2');
  openssl(
    'x509 -req -in edge-2.csr -CA root.crt -CAkey root.key -CAcreateserial -days 9 -extfile extensions -out edge-2.crt',
  );
  const read = (name: string) => readFileSync(join(directory, name), 'utf8');
  const files = { root: read('root.crt'), client: read('edge-2.crt'), key: read('edge-2.key') };
  rmSync(directory, { recursive: true });
  return files;
}

const NEEDS = all(program('mosquitto'), program('mosquitto_pub'), program('openssl'));
const old = NEEDS.ok ? createOldRoot() : { root: '', client: '', key: '' };

const TAKEN: Readonly<Record<string, Files>> = {
  'leaf and intermediate': {},
  'CRLF everywhere': { cert: (leaf + above).replaceAll('\n', '\r\n'), ca: ca.replaceAll('\n', '\r\n') },
  'a byte order mark before the first block': { cert: BOM + leaf + above, ca: BOM + ca, key: BOM + key },
  'a byte order mark right behind a block': { cert: leaf + BOM + above },
  'comments between blocks': { cert: `# leaf\n${leaf}# issuing\n${above}# end\n` },
  'the key in front of the chain': { cert: key + leaf + above },
  'the whole chain with its root': { cert: leaf + above + ca },
  'a stranger in the chain': { cert: leaf + above + other.certPem },
  'lines of 76 characters': { cert: wrapped(leaf, 76) + wrapped(above, 76) },
  'lines of 254 characters': { cert: wrapped(leaf, 254) + wrapped(above, 254) },
  'one line of base64': { cert: wrapped(leaf, 10_000) + wrapped(above, 10_000) },
  'blanks behind the dashes': { cert: (leaf + above).replaceAll('-----\n', '----- \t\n') },
  'no line end at the end': { cert: (leaf + above).trimEnd() },
  'zeros at the end': { cert: `${leaf}${above}${'\0'.repeat(4_096)}` },
  "OpenSSL's old label": { cert: (leaf + above).replaceAll('CERTIFICATE', 'X509 CERTIFICATE') },
  'trust settings first': { cert: trusted(leaf) + above },
  'trust settings in the CA file': { ca: trusted(ca) },
  'a blank line behind BEGIN': { cert: leaf.replace('-----\n', '-----\n\n') + above },
  'a block of another kind with headers': {
    cert: `-----BEGIN NOTE-----\nComment: x\n\nAAAA\n-----END NOTE-----\n${leaf}${above}`,
  },
  'several CAs': { ca: other.certPem + ca },
  'a revocation list in the CA file': { ca: ca + crl },
  'a client certificate that is an authority, and its root of version 1': {
    cert: old.client + old.root,
    key: old.key,
  },
  'a missing END line of the last but one certificate in the CA file': { ca: withoutEnd(ca) + other.certPem },
  'a key behind a broken block': { key: `${withoutEnd(broken)}-----END X-----\n${key}` },
};

const REFUSED: Readonly<Record<string, Files>> = {
  'the intermediate behind a blank line and a byte order mark': { cert: `${leaf}\n${BOM}${above}` },
  'the intermediate behind two byte order marks': { cert: leaf + BOM + BOM + above },
  'the intermediate indented': { cert: `${leaf} ${above}` },
  'the intermediate behind a certificate without END': { cert: withoutEnd(leaf) + above },
  'the intermediate behind a NUL': { cert: `${leaf}\0\n${above}` },
  'the intermediate with trust settings': { cert: leaf + trusted(above) },
  'the intermediate with a misspelt label': { cert: leaf + above.replaceAll('CERTIFICATE', 'CERTIFICATE ') },
  'no intermediate': { cert: leaf },
  'the intermediate first': { cert: above + leaf },
  'a broken block behind the chain': { cert: leaf + above + broken },
  'an empty block behind the chain': { cert: `${leaf}${above}-----BEGIN A-----\n-----END A-----\n` },
  'half a chain': { cert: (leaf + above).slice(0, -60) },
  'headers that are no encryption': { cert: leaf.replace('-----\n', '-----\nComment: x\n\n') + above },
  'a blank line in the base64': { cert: leaf.replace(/(\n.{64}\n)/, '$1\n') + above },
  'a blank line behind BEGIN and long lines': {
    cert: wrapped(leaf, 76).replace('-----\n', '-----\n\n') + above,
  },
  'line ends that are written out': { cert: (leaf + above).replaceAll('\n', '\\n') },
  'line ends of old Macs': { cert: (leaf + above).replaceAll('\n', '\r') },
  'a CA file with a broken block': { ca: ca + broken },
  'a CA file whose certificate lies behind a blank line and a byte order mark': { ca: `\n${BOM}${ca}` },
  'a CA file with a broken revocation list': { ca: ca + crl.replace('MI', 'MA') },
  'the key of another': { key: other.keyPem },
  'no key in the key file': { key: leaf },
  'a key with headers that are no encryption': { key: key.replace('-----\n', '-----\nComment: x\n\n') },
};

async function publish(directory: string, port: number): Promise<boolean> {
  const file = (name: string) => join(directory, name);
  const files = ['--cafile', file('ca'), '--cert', file('cert'), '--key', file('key')];
  const address = ['-h', '127.0.0.1', '-p', String(port)];
  const child = spawn('mosquitto_pub', [...address, ...files, '-t', 'a', '-m', 'b', '-q', '1'], {
    stdio: 'ignore',
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return code === 0;
}

describeWith(NEEDS, 'a set of files', () => {
  let broker: RealServer;
  let directory: string;
  beforeAll(async () => {
    broker = await startMosquitto({ identity: server, trusted: root.certPem + old.root, version: 'TLSv1.3' });
    directory = await mkdtemp(join(tmpdir(), 'certificate-files-'));
  });
  afterAll(async () => {
    await broker.close();
    await rm(directory, { recursive: true });
  });

  const cases = [
    ...Object.entries(TAKEN).map(([name, files]) => ['taken', name, files] as const),
    ...Object.entries(REFUSED).map(([name, files]) => ['refused', name, files] as const),
  ];

  test.each(cases)('is %s by Mosquitto, and the probe says so: %s', async (verdict, _, change) => {
    const set = { ca, cert: leaf + above, key, ...change };
    const own = await mkdtemp(join(directory, 'set-'));
    for (const [name, content] of Object.entries(set)) await writeFile(join(own, name), content);
    const isTaken = await publish(own, broker.port);
    const probe = await runProbe(set, {
      port: broker.port,
      mode: 'mqtt',
      serverName: '127.0.0.1',
      timeoutMs: 10_000,
    });
    expect({ isTaken, probe: probe.ok }, JSON.stringify(probe)).toEqual({
      isTaken: verdict === 'taken',
      probe: verdict === 'taken',
    });
  });
});
