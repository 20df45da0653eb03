import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type CertificateFiles, makeSet } from '../../../lab/cert-directory.ts';
import { isLive, setToRestore, wasRolledBack } from '../../../src/core/model/live.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { contentsOf, listing, liveDirectoryOf, NAMES, put, setIn } from '../../support/live-directory.ts';
import { asNobody, inAnotherProcess, onFullDisk } from '../../support/unprivileged.ts';

let incoming: string;
let certs: string;
let first: CertificateFiles;
let second: CertificateFiles;
let live: ReturnType<typeof liveDirectoryOf>;

beforeEach(async () => {
  const directory = await temporaryDirectory();
  incoming = join(directory, 'incoming');
  certs = join(directory, 'certs');
  await mkdir(certs);
  [first, second] = [await makeSet(), await makeSet()];
  live = liveDirectoryOf(certs, incoming);
});

const promote = async (files: CertificateFiles) => {
  await put(incoming, files);
  return live.promote(await setIn(incoming));
};

const nameOf = async (directory: string) => `..set-${(await setIn(directory)).fingerprint.slice(0, 16)}`;

describe('promotion', () => {
  it('makes the incoming set the live one, as a directory to which the three paths lead', async () => {
    expect(await promote(first)).toEqual({ kind: 'done' });
    const name = await nameOf(incoming);
    expect(await listing(certs)).toEqual(
      [
        `..data -> ${name}`,
        name,
        '..sets.json',
        ...NAMES.map((file) => `${file} -> ..data/${file}`),
      ].toSorted(),
    );
    expect(await contentsOf(certs)).toEqual(first);
    expect(await readdir(join(certs, name))).toEqual([...NAMES]);
  });

  it('keeps the set before and removes older ones', async () => {
    await promote(first);
    const one = await nameOf(certs);
    await promote(second);
    const middle = await nameOf(certs);
    expect(await listing(certs)).toContain(`..previous -> ${one}`);
    await promote(await makeSet());
    const names = await listing(certs);
    expect(names).toContain(`..previous -> ${middle}`);
    expect(names).not.toContain(one);
  });

  it('gives a set that returns its name again', async () => {
    await promote(first);
    const name = await nameOf(certs);
    await promote(second);
    await promote(first);
    expect(await listing(certs)).toContain(`..data -> ${name}`);
    expect(await contentsOf(certs)).toEqual(first);
  });

  it('keeps modes', async () => {
    await put(incoming, first);
    await chmod(join(incoming, 'client.key'), 0o640);
    await live.promote(await setIn(incoming));
    expect((await stat(join(certs, 'client.key'))).mode & 0o777).toBe(0o640);
    expect((await stat(join(certs, 'ca.crt'))).mode & 0o777).toBe(0o644);
  });

  it.runIf(process.getuid?.() === 0)('keeps owner and group where that is allowed', async () => {
    await put(incoming, first);
    await chown(join(incoming, 'client.key'), 1_234, 2_345);
    await live.promote(await setIn(incoming));
    const { uid, gid } = await stat(join(certs, 'client.key'));
    expect({ uid, gid }).toEqual({ uid: 1_234, gid: 2_345 });
  });

  it.runIf(process.getuid?.() === 0)(
    'gives the files of a setgid directory the group of the directory',
    async () => {
      await chown(certs, 0, 2_345);
      await chmod(certs, 0o2750);
      await promote(first);
      const { gid } = await stat(join(certs, 'client.key'));
      const directory = await stat(join(certs, await nameOf(certs)));
      expect(gid).toBe(2_345);
      // nothing is created in it any more; and a sandbox may forbid that bit (RestrictSUIDSGID of systemd)
      expect({ gid: directory.gid, mode: directory.mode & 0o7777 }).toEqual({ gid: 2_345, mode: 0o750 });
    },
  );

  it('takes a set with other rights for another one', async () => {
    await promote(first);
    const set = await setIn(incoming);
    expect(isLive(await live.observe(0), set)).toBe(true);
    await chmod(join(incoming, 'client.key'), 0o640);
    const corrected = await setIn(incoming);
    expect(isLive(await live.observe(0), corrected)).toBe(false);
    expect(await live.promote(corrected)).toEqual({ kind: 'done' });
    expect(isLive(await live.observe(0), corrected)).toBe(true);
    expect((await stat(join(certs, 'client.key'))).mode & 0o777).toBe(0o640);
  });

  it('promotes nothing that is no longer what was judged', async () => {
    await put(incoming, first);
    const judged = await setIn(incoming);
    await put(incoming, second);
    expect(await live.promote(judged)).toEqual({ kind: 'outdated' });
    expect(await listing(certs)).toEqual([]);
  });

  it('promotes once what two watchers promote at the same time', async () => {
    await put(incoming, first);
    const outcomes = await Promise.all([1, 2].map(() => inAnotherProcess('promote', { certs, incoming })));
    expect(outcomes).toContainEqual({ outcome: { kind: 'done' } });
    expect(outcomes).toContainEqual({ outcome: { kind: 'outdated' } });
    expect(await contentsOf(certs)).toEqual(first);
  });

  it('leaves the files of others alone', async () => {
    await writeFile(join(certs, 'server.crt'), 'mine');
    await mkdir(join(certs, '..theirs'));
    await promote(first);
    await promote(second);
    expect(await readFile(join(certs, 'server.crt'), 'utf8')).toBe('mine');
    expect(await listing(certs)).toContain('..theirs');
  });

  it('follows links in the incoming directory', async () => {
    const archive = join(incoming, '..', 'archive');
    await put(archive, first);
    await mkdir(incoming);
    for (const name of NAMES) await symlink(`../archive/${name}`, join(incoming, name));
    expect(await live.promote(await setIn(incoming))).toEqual({ kind: 'done' });
    expect((await lstat(join(certs, await nameOf(certs), 'client.key'))).isFile()).toBe(true);
  });
});

describe('taking over', () => {
  it('puts plain files into the layout and keeps the time since which they lie there', async () => {
    await put(certs, first);
    const before = await setIn(certs);
    expect(await live.takeOver()).toEqual({ kind: 'done' });
    expect(await listing(certs)).toContain(`..data -> ${await nameOf(certs)}`);
    expect(await contentsOf(certs)).toEqual(first);
    const { files, isOurs, edition } = await live.observe(0);
    expect(files).toMatchObject({ fingerprint: before.fingerprint, newestCtimeMs: before.newestCtimeMs });
    expect({ isOurs, edition }).toEqual({ isOurs: true, edition: undefined });
  });

  it("takes over certbot's links, and leaves what they lead to", async () => {
    const archive = join(certs, 'archive');
    await put(archive, first);
    for (const name of NAMES) await symlink(`archive/${name}`, join(certs, name));
    await live.takeOver();
    expect(await listing(certs)).toContain('client.key -> ..data/client.key');
    expect(await contentsOf(archive)).toEqual(first);
  });

  it('comes before the promotion, so that it can be gone back to', async () => {
    await put(certs, first);
    const plain = await setIn(certs);
    await promote(second);
    const { previous } = await live.observe(0);
    expect(previous?.fingerprint).toBe(plain.fingerprint);
  });

  it('takes a set that was found there for that of the same certificates, whatever its rights', async () => {
    await put(certs, first);
    await put(incoming, first);
    await chmod(join(incoming, 'client.key'), 0o640);
    await live.takeOver();
    expect(isLive(await live.observe(0), await setIn(incoming))).toBe(true);
  });

  it('goes on where it was ended, with the time since which they lie there', async () => {
    await put(certs, first);
    const { newestCtimeMs } = await setIn(certs);
    await live.takeOver();
    await rm(join(certs, 'client.key'));
    await writeFile(join(certs, 'client.key'), first.key, { mode: 0o600 });
    expect((await live.observe(0)).isOurs).toBe(false);
    await live.takeOver();
    expect(await live.observe(0)).toMatchObject({ isOurs: true, files: { newestCtimeMs } });
  });

  it('takes nothing over that is not whole', async () => {
    await put(certs, first);
    await rm(join(certs, 'client.key'));
    expect(await live.takeOver()).toEqual({ kind: 'outdated' });
    expect(await listing(certs)).toEqual(['ca.crt', 'client.crt']);
  });
});

describe('rolling back', () => {
  it('goes back to the set before, and remembers that this one is not promoted again', async () => {
    await promote(first);
    await promote(second);
    const bad = await setIn(incoming);
    expect(setToRestore(await live.observe(0), Date.now())).toBeDefined();
    expect(await live.rollBack(bad)).toEqual({ kind: 'done' });
    expect(await contentsOf(certs)).toEqual(first);
    const after = await liveDirectoryOf(certs, incoming).observe(0);
    expect(wasRolledBack(after, bad)).toBe(true);
    expect(setToRestore(after, Date.now())).toBeUndefined();
    await chmod(join(incoming, 'client.key'), 0o640);
    expect(wasRolledBack(after, await setIn(incoming))).toBe(false);
  });

  it('does nothing where another set has become the live one', async () => {
    await promote(first);
    const set = await setIn(incoming);
    await promote(second);
    expect(await live.rollBack(set)).toEqual({ kind: 'outdated' });
    expect(await contentsOf(certs)).toEqual(second);
  });
});

describe('what was proven', () => {
  it('is remembered of the live set alone', async () => {
    await promote(first);
    expect((await live.observe(0)).isProven).toBe(false);
    await live.rememberProven();
    expect((await live.observe(0)).isProven).toBe(true);
    await promote(second);
    expect((await live.observe(0)).isProven).toBe(false);
  });

  it('is nothing where the record cannot be understood', async () => {
    await promote(first);
    await live.rememberProven();
    await writeFile(join(certs, '..sets.json'), '{"version":7}');
    expect(await live.observe(0)).toMatchObject({ isProven: false, rolledBack: [] });
  });
});

describe('what is in the way', () => {
  const cause = async () => {
    const outcome = await promote(first);
    return outcome.kind === 'failed' ? outcome.failure.cause : outcome.kind;
  };

  it('is a volume of Kubernetes, which somebody else owns', async () => {
    await put(join(certs, '..2026_11_28'), first);
    await symlink('..2026_11_28', join(certs, '..data'));
    for (const name of NAMES) await symlink(`..data/${name}`, join(certs, name));
    const before = await listing(certs);
    expect(await cause()).toBe('foreign_directory');
    expect((await live.observe(0)).obstacle?.cause).toBe('foreign_directory');
    expect(await live.takeOver()).toMatchObject({ kind: 'failed' });
    expect(await listing(certs)).toEqual(before);
  });

  it('is a directory that is not there', async () => {
    await rm(certs, { recursive: true });
    expect(await cause()).toBe('directory_missing');
  });

  it('is one directory for both', async () => {
    await put(certs, first);
    const same = liveDirectoryOf(certs, join(certs, '..', 'certs'));
    expect((await same.observe(0)).obstacle?.cause).toBe('same_directory');
  });

  it('is a directory in the place of a file, and nothing half-done stays', async () => {
    await mkdir(join(certs, 'client.crt'));
    expect(await cause()).toBe('odd_file');
    expect(await readdir(certs)).not.toContainEqual(expect.stringMatching(/\.new$|lock/));
  });

  it.runIf(process.getuid?.() === 0)('is a directory that this user may not write to', async () => {
    await put(incoming, first);
    await chmod(join(incoming, 'client.key'), 0o644);
    expect(await asNobody('promote', { certs, incoming })).toMatchObject({
      outcome: { kind: 'failed', failure: { cause: 'permission_denied' } },
      obstacle: { cause: 'permission_denied' },
    });
  });

  it.runIf(process.getuid?.() === 0)(
    'is nothing for a user who owns the directory but none of the files',
    async () => {
      await put(incoming, first);
      await chmod(join(incoming, 'client.key'), 0o644);
      await chown(certs, 65_534, 2_345);
      await chmod(certs, 0o2770);
      expect(await asNobody('promote', { certs, incoming })).toMatchObject({ outcome: { kind: 'done' } });
      const { uid, gid, mode } = await stat(join(certs, 'client.key'));
      expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 65_534, gid: 2_345, mode: 0o644 });
    },
  );

  it.runIf(process.getuid?.() === 0)(
    'is nothing that stays of another user, whose place this one has taken',
    async () => {
      await promote(first);
      await mkdir(join(certs, '..lock'), 0o700);
      await mkdir(join(certs, '..lock', 'gone 1 0000000000000000', 'set'), { recursive: true });
      await put(incoming, second);
      await chmod(join(incoming, 'client.key'), 0o644);
      await chmod(certs, 0o777);
      expect(await asNobody('promote', { certs, incoming })).toMatchObject({ outcome: { kind: 'done' } });
    },
  );

  it.runIf(process.getuid?.() === 0)('is a key that this user may not read', async () => {
    await put(incoming, first);
    await chmod(certs, 0o777);
    expect(await asNobody('promote', { certs, incoming })).toMatchObject({
      outcome: { kind: 'failed', failure: { cause: 'permission_denied' } },
    });
    expect(await listing(certs)).toEqual([]);
  });

  it('is a full disk, and the live set stays', async () => {
    await promote(first);
    const before = await listing(certs);
    await put(incoming, second);
    expect(await onFullDisk('promote', { certs, incoming })).toMatchObject({
      outcome: { kind: 'failed', failure: { cause: 'disk_full' } },
    });
    expect(await listing(certs)).toEqual(before);
    expect(await contentsOf(certs)).toEqual(first);
  });

  it('is nothing that stays when the directory has been replaced by another one', async () => {
    await promote(first);
    await rename(certs, `${certs}.old`);
    await mkdir(certs);
    expect(await promote(second)).toEqual({ kind: 'done' });
    expect(await contentsOf(certs)).toEqual(second);
  });
});
