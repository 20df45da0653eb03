import { createHash } from 'node:crypto';
import {
  chmod,
  copyFile,
  mkdir,
  open,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority, daysFromNow, type Issued } from '../../lab/certificates.ts';
import { type CertFiles, createCertFiles } from '../../src/adapters/cert-files.ts';
import type { CertificateSet, FilesObservation } from '../../src/core/model/files.ts';
import { readRegularFile } from '../../src/system/regular-file.ts';
import { makeFifo, makeSocket, temporaryDirectory } from '../support/directory.ts';
import { asNobody } from '../support/unprivileged.ts';

const NAMES = { caCertFile: 'ca.crt', clientCertFile: 'client.crt', clientKeyFile: 'client.key' };
const FILES = ['ca.crt', 'client.crt', 'client.key'] as const;
const CERTIFICATES = ['ca.crt', 'client.crt'] as const;
const KEY = 'a key is never looked into';

let root: Authority;
let issuing: Authority;
let client: Issued;
let renewed: Issued;

beforeAll(async () => {
  root = await createAuthority({ cn: 'Root' });
  issuing = await root.intermediate({ cn: 'Issuing' });
  client = await issuing.issue({ cn: 'edge-1' });
  renewed = await issuing.issue({ cn: 'edge-1', privateKey: client.key, notAfter: daysFromNow(200) });
});

/** A certificate directory of one test, and everything that can be done to it. */
async function certDir() {
  const directory = await temporaryDirectory();
  const write = async (files: Partial<Record<(typeof FILES)[number], string | Buffer>>) => {
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  };
  await write({ 'ca.crt': root.certPem, 'client.crt': client.chainPem, 'client.key': KEY });
  const location = { certDir: directory, ...NAMES };
  return { directory, location, write, path: (name: string) => join(directory, name) };
}

async function observe(location: { certDir: string }): Promise<FilesObservation> {
  return createCertFiles({ ...NAMES, ...location }).observe(0);
}

async function observeComplete(location: { certDir: string }): Promise<CertificateSet> {
  return complete(await observe(location));
}

function complete(observation: FilesObservation): CertificateSet {
  if (observation.kind !== 'complete') throw new Error(`not complete: ${JSON.stringify(observation)}`);
  return observation;
}

/** `file cause` of each complaint. */
function complaints(observation: FilesObservation): readonly string[] {
  if (observation.kind === 'complete' || observation.kind === 'changing') return [observation.kind];
  return observation.complaints.map(({ file, cause }) => `${file} ${cause}`);
}

function hints(observation: FilesObservation): readonly string[] {
  return 'complaints' in observation ? observation.complaints.map(({ hint }) => hint) : [];
}

/** An observer that keeps count of what it reads, and lets something happen at each read. */
function counted(
  location: { certDir: string },
  whenReading: (path: string) => Promise<void> = async () => undefined,
) {
  const paths: string[] = [];
  const files = createCertFiles({ ...NAMES, ...location }, async (path) => {
    paths.push(path);
    await whenReading(path);
    return readRegularFile(path);
  });
  return { observe: files.observe, paths };
}

/** Looks a second apart until the contents count as read for good. */
async function settle(files: CertFiles): Promise<FilesObservation> {
  await files.observe(0);
  return files.observe(1_000);
}

describe('a complete set', () => {
  it('says what the certificates are', async () => {
    const { location } = await certDir();
    expect(await observeComplete(location)).toMatchObject({
      leaf: { subject: 'CN=edge-1', issuer: 'CN=Issuing', notAfterMs: client.certificate.notAfter.getTime() },
      leafFile: 'client.crt',
      authorities: [{ subject: 'CN=Root' }],
      authoritiesFile: 'ca.crt',
    });
  });

  it('has the first certificate of the file as its leaf, whatever the others are, as OpenSSL takes it', async () => {
    const { location, write } = await certDir();
    await write({ 'client.crt': issuing.certPem + client.certPem });
    expect((await observeComplete(location)).leaf.subject).toBe('CN=Issuing');
  });

  it('has the certificates that lead up from the leaf, and no stranger', async () => {
    const { location, write } = await certDir();
    const stranger = await createAuthority({ cn: 'Stranger' });
    await write({ 'client.crt': client.certPem + stranger.certPem + root.certPem + issuing.certPem });
    expect((await observeComplete(location)).intermediates.map(({ subject }) => subject)).toEqual([
      'CN=Issuing',
      'CN=Root',
    ]);
  });

  it('says what the broker does not load of it', async () => {
    const { location, write } = await certDir();
    await write({ 'client.crt': `${client.certPem}\n\uFEFF${issuing.certPem}` });
    expect((await observeComplete(location)).ignored).toMatchObject([
      { file: 'client.crt', cause: 'ignored' },
    ]);
  });

  it('is not loaded without a block that a byte order mark begins, right behind another one', async () => {
    const { location, write } = await certDir();
    await write({ 'client.crt': client.certPem });
    const before = await observeComplete(location);
    await write({ 'client.crt': `${client.certPem}\uFEFF${issuing.certPem}` });
    expect((await observeComplete(location)).fingerprint).not.toBe(before.fingerprint);
  });

  it('has all authorities of the file', async () => {
    const { location, write } = await certDir();
    await write({ 'ca.crt': issuing.certPem + root.certPem });
    expect((await observeComplete(location)).authorities.map(({ subject }) => subject)).toEqual([
      'CN=Issuing',
      'CN=Root',
    ]);
  });

  it('may have other names', async () => {
    const { location, path } = await certDir();
    for (const name of FILES) await rename(path(name), path(`my-${name}`));
    const names = {
      caCertFile: 'my-ca.crt',
      clientCertFile: 'my-client.crt',
      clientKeyFile: 'my-client.key',
    };
    expect((await createCertFiles({ ...location, ...names }).observe(0)).kind).toBe('complete');
  });

  it('may lie elsewhere by absolute names', async () => {
    const { directory, path } = await certDir();
    const names = {
      caCertFile: path('ca.crt'),
      clientCertFile: path('client.crt'),
      clientKeyFile: path('client.key'),
    };
    expect((await createCertFiles({ certDir: join(directory, 'none'), ...names }).observe(0)).kind).toBe(
      'complete',
    );
  });

  it.each(['links', 'links to links'])('may be made of %s', async (how) => {
    const { location, path } = await certDir();
    for (const name of FILES) {
      await rename(path(name), path(`real-${name}`));
      await symlink(`real-${name}`, path(`link-${name}`));
      await symlink(how === 'links' ? `real-${name}` : `link-${name}`, path(name));
    }
    expect((await observe(location)).kind).toBe('complete');
  });
});

describe('the private key', () => {
  it('is never opened: a set is complete for a user who may not read the key', async () => {
    const { location, path } = await certDir();
    await chmod(path('client.key'), 0o000);
    expect(await asNobody('observe', location)).toMatchObject({ kind: 'complete' });
  });

  it('is not among the files that are read', async () => {
    const { location, path } = await certDir();
    const { observe, paths } = counted(location);
    await observe(0);
    expect(paths.toSorted()).toEqual([path('ca.crt'), path('client.crt')]);
  });

  it('may hold anything', async () => {
    const { location, write } = await certDir();
    await write({ 'client.key': Buffer.alloc(1_000, 0xff) });
    expect((await observe(location)).kind).toBe('complete');
  });

  it.each([
    ['missing', (path: string) => unlink(path)],
    ['empty', (path: string) => truncate(path)],
    ['too_large', (path: string) => truncate(path, 1024 ** 2 + 1)],
  ])('has to be there and to have a sensible size: %s', async (cause, spoil) => {
    const { location, path } = await certDir();
    await spoil(path('client.key'));
    expect(complaints(await observe(location))).toEqual([`client.key ${cause}`]);
  });
});

describe('the fingerprint', () => {
  it('is SHA-256 over the certificates in DER, in file order, and the size of the key', async () => {
    const { location } = await certDir();
    const hash = createHash('sha256').update(Buffer.from(root.certificate.rawData)).update('\0');
    for (const { certificate } of [client, issuing]) hash.update(Buffer.from(certificate.rawData));
    expect((await observeComplete(location)).fingerprint).toBe(hash.update(`\0${KEY.length}`).digest('hex'));
  });

  it.each<[string, () => Partial<Record<(typeof FILES)[number], string>>]>([
    ['the same bytes again', () => ({ 'client.crt': client.chainPem })],
    ['CRLF', () => ({ 'client.crt': client.chainPem.replaceAll('\n', '\r\n') })],
    ['comments', () => ({ 'ca.crt': `# our root\n${root.certPem}` })],
    ['another key of the same size', () => ({ 'client.key': KEY.toUpperCase() })],
  ])('stays the same when a file is rewritten with %s', async (_, files) => {
    const { location, write } = await certDir();
    const before = await observeComplete(location);
    await write(files());
    expect((await observeComplete(location)).fingerprint).toBe(before.fingerprint);
  });

  it.each<[string, () => Partial<Record<(typeof FILES)[number], string>>]>([
    ['the client certificate is renewed', () => ({ 'client.crt': renewed.chainPem })],
    ['the chain loses a certificate', () => ({ 'client.crt': client.certPem })],
    ['the chain changes its order', () => ({ 'client.crt': issuing.certPem + client.certPem })],
    ['a CA is added', () => ({ 'ca.crt': root.certPem + issuing.certPem })],
    [
      'a certificate moves from one file to the other',
      () => ({ 'ca.crt': root.certPem + client.certPem, 'client.crt': issuing.certPem }),
    ],
    ['the key changes its size', () => ({ 'client.key': `${KEY}\n` })],
  ])('changes when %s', async (_, files) => {
    const { location, write } = await certDir();
    const before = await observeComplete(location);
    await write(files());
    expect((await observeComplete(location)).fingerprint).not.toBe(before.fingerprint);
  });

  it('comes back with the old set', async () => {
    const { location, write } = await certDir();
    const before = await observeComplete(location);
    await write({ 'client.crt': renewed.chainPem });
    await write({ 'client.crt': client.chainPem });
    expect((await observeComplete(location)).fingerprint).toBe(before.fingerprint);
  });
});

describe('the identity', () => {
  it('stays the same as long as nobody touches the files', async () => {
    const { location } = await certDir();
    expect((await observe(location)).identity).toBe((await observe(location)).identity);
  });

  it.each(FILES)('changes when %s is touched', async (name) => {
    const { location, path } = await certDir();
    const before = await observe(location);
    await utimes(path(name), new Date(), new Date());
    expect((await observe(location)).identity).not.toBe(before.identity);
  });

  it.each(FILES)('changes when %s is replaced by a copy with the same times', async (name) => {
    const { location, path } = await certDir();
    const before = await observe(location);
    const { atime, mtime } = await stat(path(name));
    await copyFile(path(name), path('copy'));
    await utimes(path('copy'), atime, mtime);
    await rename(path('copy'), path(name));
    expect((await observe(location)).identity).not.toBe(before.identity);
  });

  it('changes with the content even if the file looks untouched', async () => {
    const { location } = await certDir();
    const as = (issued: Issued) =>
      createCertFiles(location, async (path) => {
        const read = await readRegularFile(path);
        return read.ok
          ? { ...read, bytes: Buffer.from(path.endsWith('client.crt') ? issued.certPem : root.certPem) }
          : read;
      });
    expect((await as(client).observe(0)).identity).not.toBe((await as(renewed).observe(0)).identity);
  });

  it('of an incomplete set stays the same while the complaints do', async () => {
    const { location, path } = await certDir();
    await unlink(path('client.crt'));
    expect((await observe(location)).identity).toBe((await observe(location)).identity);
  });

  it('of an incomplete set changes with the complaints', async () => {
    const { location, path } = await certDir();
    await unlink(path('client.crt'));
    const before = await observe(location);
    await writeFile(path('client.crt'), '');
    expect((await observe(location)).identity).not.toBe(before.identity);
  });
});

describe('the newest ctime', () => {
  it('is recent for files that cp -p has given an old mtime', async () => {
    const { location, path } = await certDir();
    const beganMs = Date.now();
    for (const name of FILES) await utimes(path(name), new Date(0), new Date(0));
    // the kernel's clock for files may lag behind by a tick
    expect((await observeComplete(location)).newestCtimeMs).toBeGreaterThan(beganMs - 100);
  });

  it('is not in the future for files whose mtime is', async () => {
    const { location, path } = await certDir();
    const inAYear = new Date(Date.now() + 365 * 86_400_000);
    for (const name of FILES) await utimes(path(name), inAYear, inAYear);
    expect((await observeComplete(location)).newestCtimeMs).toBeLessThanOrEqual(Date.now());
  });

  it.each(FILES)('is that of %s if it was changed last', async (name) => {
    const { location, path } = await certDir();
    await utimes(path(name), new Date(), new Date());
    const { ctimeNs } = await stat(path(name), { bigint: true });
    expect((await observeComplete(location)).newestCtimeMs).toBe(Number(ctimeNs) / 1e6);
  });
});

describe('an incomplete set', () => {
  const ODD: readonly [string, string, (path: string) => Promise<unknown>][] = [
    ['nothing', 'missing', async () => undefined],
    ['an empty file', 'empty', (path) => writeFile(path, '')],
    ['a file of more than 1 MiB', 'too_large', (path) => writeFile(path, Buffer.alloc(1024 ** 2 + 1))],
    ['a directory', 'not_a_regular_file', (path) => mkdir(path)],
    ['a FIFO', 'not_a_regular_file', makeFifo],
    ['a socket', 'not_a_regular_file', makeSocket],
    ['a link to an endless device', 'not_a_regular_file', (path) => symlink('/dev/zero', path)],
    ['a link to nothing', 'missing', (path) => symlink('none', path)],
    ['a link to itself', 'link_loop', (path) => symlink(path, path)],
  ];
  const everywhere = ODD.flatMap(([what, cause, make]) =>
    FILES.map((name) => [what, name, cause, make] as const),
  );

  it.each(everywhere)('is reported, not waited for: %s as %s', async (_, name, cause, make) => {
    const { location, path } = await certDir();
    await unlink(path(name));
    await make(path(name));
    expect(complaints(await observe(location))).toEqual([`${name} ${cause}`]);
  });

  it.each(CERTIFICATES)('is reported if %s may not be read', async (name) => {
    const { location, path } = await certDir();
    await chmod(path(name), 0o000);
    expect(complaints((await asNobody('observe', location)) as FilesObservation)).toEqual([
      `${name} unreadable`,
    ]);
  });

  it('is reported if the directory may not be entered', async () => {
    const { location, directory } = await certDir();
    await chmod(directory, 0o000);
    expect(complaints((await asNobody('observe', location)) as FilesObservation)).toEqual(
      FILES.map((name) => `${name} unreadable`),
    );
  });

  it('is reported with every file that is wrong', async () => {
    const { location, path, write } = await certDir();
    await unlink(path('ca.crt'));
    await write({ 'client.crt': '' });
    expect(complaints(await observe(location))).toEqual(['ca.crt missing', 'client.crt empty']);
  });

  it.each(everywhere)('comes with a hint: %s as %s', async (_, name, __, make) => {
    const { location, path } = await certDir();
    await unlink(path(name));
    await make(path(name));
    expect(hints(await observe(location))).toEqual([expect.stringMatching(/^\S.{10,}$/)]);
  });

  it('says of a directory that is missing that it is the directory', async () => {
    const { directory } = await certDir();
    const none = join(directory, 'none');
    expect(hints(await observe({ certDir: none }))).toEqual(
      FILES.map(() => `there is no directory ${none}: check CERT_DIR and the mount`),
    );
  });

  it('says of a directory that is a file that it is none', async () => {
    const { path } = await certDir();
    expect(hints(await observe({ certDir: path('ca.crt') }))).toEqual(
      FILES.map(() => `CERT_DIR ${path('ca.crt')} is not a directory`),
    );
  });
});

describe('a set that cannot be parsed', () => {
  it.each<[string, () => Partial<Record<(typeof FILES)[number], string>>, string[]]>([
    [
      'half a client certificate',
      () => ({ 'client.crt': client.certPem.slice(0, 300) }),
      ['client.crt unparsable'],
    ],
    ['a CA file without a certificate', () => ({ 'ca.crt': 'hello' }), ['ca.crt unparsable']],
    ['a key in place of a certificate', () => ({ 'client.crt': client.keyPem }), ['client.crt unparsable']],
    [
      'nonsense in both files',
      () => ({ 'ca.crt': 'x', 'client.crt': 'x' }),
      ['ca.crt unparsable', 'client.crt unparsable'],
    ],
  ])('is reported by file: %s', async (_, files, expected) => {
    const { location, write } = await certDir();
    await write(files());
    expect(complaints(await observe(location))).toEqual(expected);
  });

  it('is read again as soon as it has been corrected', async () => {
    const { location, write } = await certDir();
    await write({ 'client.crt': client.certPem.slice(0, 300) });
    const files = createCertFiles(location);
    await settle(files);
    await write({ 'client.crt': client.certPem });
    expect((await files.observe(2_000)).kind).toBe('complete');
  });
});

describe('a directory that changes', () => {
  it('is found when it appears after the start', async () => {
    const { directory, location } = await certDir();
    await rename(directory, `${directory}.away`);
    const files = createCertFiles(location);
    await settle(files);
    await rename(`${directory}.away`, directory);
    expect((await files.observe(2_000)).kind).toBe('complete');
  });

  it('is missed when it vanishes', async () => {
    const { directory, location } = await certDir();
    const files = createCertFiles(location);
    await settle(files);
    await rm(directory, { recursive: true });
    expect(complaints(await files.observe(2_000))).toEqual(FILES.map((name) => `${name} missing`));
  });

  it('is read again when it is replaced', async () => {
    const { directory, location } = await certDir();
    const other = await certDir();
    await other.write({ 'client.crt': renewed.chainPem });
    const files = createCertFiles(location);
    const before = complete(await settle(files));
    await rm(directory, { recursive: true });
    await rename(other.directory, directory);
    expect(complete(await files.observe(2_000)).fingerprint).not.toBe(before.fingerprint);
  });

  it('is read again when Kubernetes swaps the link ..data', async () => {
    const { directory, location, path } = await certDir();
    const put = async (version: string, issued: Issued) => {
      await mkdir(path(version));
      await writeFile(path(`${version}/ca.crt`), root.certPem);
      await writeFile(path(`${version}/client.crt`), issued.chainPem);
      await writeFile(path(`${version}/client.key`), KEY);
      await symlink(version, path('..data_tmp'));
      await rename(path('..data_tmp'), path('..data'));
    };
    await put('..v1', client);
    for (const name of FILES) {
      await rm(join(directory, name));
      await symlink(`..data/${name}`, path(name));
    }
    const files = createCertFiles(location);
    const before = complete(await settle(files));
    await put('..v2', renewed);
    expect(complete(await files.observe(2_000)).fingerprint).not.toBe(before.fingerprint);
  });

  it('is read again when a file is replaced to which it only links', async () => {
    const { location, path } = await certDir();
    const elsewhere = await temporaryDirectory();
    await rename(path('client.crt'), join(elsewhere, 'live.pem'));
    await symlink(join(elsewhere, 'live.pem'), path('client.crt'));
    const files = createCertFiles(location);
    const before = complete(await settle(files));
    await writeFile(join(elsewhere, 'new.pem'), renewed.chainPem);
    await rename(join(elsewhere, 'new.pem'), join(elsewhere, 'live.pem'));
    expect(complete(await files.observe(2_000)).fingerprint).not.toBe(before.fingerprint);
  });
});

describe('reading', () => {
  it('happens once while nothing changes', async () => {
    const { location } = await certDir();
    const files = counted(location);
    await settle(files);
    files.paths.length = 0;
    for (let second = 2; second < 600; second++) await files.observe(second * 1_000);
    expect(files.paths).toEqual([]);
  });

  it('yields the very same observation while nothing changes', async () => {
    const { location } = await certDir();
    const files = createCertFiles(location);
    const before = await settle(files);
    expect(await files.observe(5_000)).toBe(before);
  });

  it('happens again until a second after the first sight, for a second write may leave the same ctime', async () => {
    const { location } = await certDir();
    const files = counted(location);
    for (const ms of [0, 500, 999, 1_000, 1_001, 5_000]) await files.observe(ms);
    expect(files.paths.filter((path) => path.endsWith('client.crt'))).toHaveLength(4);
  });

  it('says from when on it will have been final, and nothing once it is', async () => {
    const { location } = await certDir();
    const files = createCertFiles(location);
    const finalFrom = async (ms: number) => complete(await files.observe(ms)).finalFromMonoMs;
    expect(await finalFrom(200)).toBe(1_200);
    expect(await finalFrom(1_199)).toBe(1_200);
    expect(await finalFrom(1_200)).toBeUndefined();
    expect(await finalFrom(5_000)).toBeUndefined();
  });

  it('happens again ten minutes later, should a file system not tell of changes', async () => {
    const { location } = await certDir();
    const files = counted(location);
    await settle(files);
    files.paths.length = 0;
    await files.observe(1_000 + 599_999);
    await files.observe(1_000 + 600_000);
    await files.observe(1_000 + 600_001);
    expect(files.paths).toHaveLength(2);
  });

  it('finds a content that has changed under an identity that has not', async () => {
    const { location } = await certDir();
    let pem = client.certPem;
    const files = createCertFiles(location, async (path) => {
      const read = await readRegularFile(path);
      return read.ok && path.endsWith('client.crt') ? { ...read, bytes: Buffer.from(pem) } : read;
    });
    const before = complete(await settle(files));
    pem = renewed.certPem;
    expect(complete(await files.observe(1_000_000)).fingerprint).not.toBe(before.fingerprint);
  });

  it('judges the same contents once, however often they are written again', async () => {
    const { location, write } = await certDir();
    await write({ 'ca.crt': root.certPem.repeat(500) });
    const files = createCertFiles(location);
    const first = complete(await files.observe(0));
    await write({ 'ca.crt': root.certPem.repeat(500), 'client.key': `${KEY}\n` });
    const second = complete(await files.observe(1));
    expect(second.authorities).toBe(first.authorities);
    expect(second.fingerprint).not.toBe(first.fingerprint);
  });

  it('starts over when a file has changed', async () => {
    const { location, path } = await certDir();
    const files = counted(location);
    await settle(files);
    await utimes(path('client.key'), new Date(), new Date());
    files.paths.length = 0;
    for (const ms of [2_000, 2_999, 3_000, 3_001]) await files.observe(ms);
    expect(files.paths.filter((path) => path.endsWith('client.crt'))).toHaveLength(3);
  });
});

describe('a set that changes while it is read', () => {
  it.each<[string, (path: (name: string) => string) => Promise<unknown>]>([
    ['written to', (path) => writeFile(path('client.crt'), renewed.chainPem)],
    ['cut to nothing, as cp does before it writes', (path) => truncate(path('client.crt'))],
    ['removed', (path) => unlink(path('client.crt'))],
    [
      'replaced by a directory',
      async (path) => {
        await unlink(path('client.crt'));
        await mkdir(path('client.crt'));
      },
    ],
    ['blown up', (path) => truncate(path('client.crt'), 2 * 1024 ** 2)],
    ['touched', (path) => utimes(path('client.crt'), new Date(), new Date())],
    ['written to, and it is the key,', (path) => writeFile(path('client.key'), `${KEY}\n`)],
    ['removed, and it is the key,', (path) => unlink(path('client.key'))],
    ['written to, and it is read already,', (path) => writeFile(path('ca.crt'), issuing.certPem)],
  ])('is not judged: a file is %s between the look and the read', async (_, spoil) => {
    const { location, path } = await certDir();
    const files = counted(location, async (read) => {
      if (read.endsWith('client.crt')) await spoil(path);
    });
    expect((await files.observe(0)).kind).toBe('changing');
  });

  it('is not judged if what was read is not what was looked at', async () => {
    const { location, path } = await certDir();
    const other = await certDir();
    await other.write({ 'client.crt': renewed.chainPem });
    // links that are swapped to and fro: the looks before and after see the old files
    const files = createCertFiles(location, (read) =>
      readRegularFile(read === path('client.crt') ? other.path('client.crt') : read),
    );
    expect((await files.observe(0)).kind).toBe('changing');
  });

  it('is not judged while somebody appends to a file during the very read', async () => {
    const { location } = await certDir();
    const files = createCertFiles(location, async () => ({
      ok: false,
      kind: 'changing',
      problem: 'changed while it was read',
    }));
    expect((await files.observe(0)).kind).toBe('changing');
  });

  it('never looks like the look before', async () => {
    const { location } = await certDir();
    const files = counted(location, (path) => utimes(path, new Date(), new Date()));
    const [first, second] = [await files.observe(0), await files.observe(1)];
    expect(first.identity).not.toBe(second.identity);
  });

  it('is read as soon as it is left alone', async () => {
    const { location, write } = await certDir();
    let isBusy = true;
    const files = counted(location, async () => {
      if (isBusy) await write({ 'client.crt': renewed.chainPem });
    });
    await files.observe(0);
    isBusy = false;
    expect((await files.observe(1)).kind).toBe('complete');
  });

  it('shows of a slow writer nothing but what is whole', async () => {
    const { location, path } = await certDir();
    const files = createCertFiles(location);
    const leaves = new Set<number>();
    const handle = await open(path('client.crt'), 'w');
    const text = renewed.chainPem;
    for (let at = 0; at < text.length; at += 100) {
      await handle.write(text.slice(at, at + 100));
      const observation = await files.observe(at);
      if (observation.kind === 'complete') leaves.add(observation.leaf.notAfterMs);
    }
    await handle.close();
    expect([...leaves]).toEqual([renewed.certificate.notAfter.getTime()]);
  });
});
