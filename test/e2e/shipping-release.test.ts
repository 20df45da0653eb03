/** A whole release of this working tree, made in a directory of its own, without images. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeTree } from '../../lab/remove-tree.ts';
import manifest from '../../package.json' with { type: 'json' };
import { machineOf } from '../../scripts/shipping/elf.ts';
import { sha256Of } from '../../scripts/shipping/file-facts.ts';
import { CACHE } from '../../scripts/shipping/paths.ts';
import { all, describeWith, program, skipped } from '../support/needs.ts';
import {
  copyOfRepository,
  DEBIAN_MIRROR,
  REPOSITORY,
  SHIPPING,
  ship,
  thisTarget,
} from '../support/shipping.ts';
import { IS_THOROUGH } from '../support/thorough.ts';

const run = promisify(execFile);

const EXECUTABLES = ['mosquitto-cert-watcher-linux-amd64', 'mosquitto-cert-watcher-linux-arm64'];

const packageFor = (arch: string) => `mosquitto-cert-watcher_${manifest.version}_${arch}.deb`;
const PACKAGES = ['amd64', 'arm64'].map(packageFor);

const QEMU = 'qemu-aarch64-static';
const emulator = program(QEMU);

/** Images have their own test. */
const WITHOUT_ENGINE = { DOCKER_HOST: 'unix:///nowhere.sock' };

/** A dpkg-deb before the real one on the PATH, which leaves out what takes most of the time of this test. */
const FASTER_DPKG_DEB = `#!/bin/sh
PATH=\${PATH#*:}
for word; do
  shift
  [ "$word" != -Zxz ] || word=-Znone
  set -- "$@" "$word"
done
exec dpkg-deb "$@"
`;

/** The environment of the scripts; unless the test is to be thorough, packages are not compressed. */
async function environmentIn(root: string): Promise<Readonly<Record<string, string>>> {
  if (IS_THOROUGH) return WITHOUT_ENGINE;
  const directory = join(root, 'dist', 'faster');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'dpkg-deb'), FASTER_DPKG_DEB, { mode: 0o755 });
  return { ...WITHOUT_ENGINE, PATH: `${directory}:${process.env['PATH']}` };
}

/** Everything for both machines, beside other tests. */
const LONGEST_RELEASE_MS = 900_000;

// the libraries of the image are named, so Debian's tools have to be there
describeWith(all(SHIPPING, DEBIAN_MIRROR), 'a release', () => {
  let root: string;
  let env: Readonly<Record<string, string>>;
  let said: string;
  beforeAll(async () => {
    root = await copyOfRepository();
    await writeFile(join(root, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n\n- Something new\n');
    env = await environmentIn(root);
    said = await ship('release', ['--draft'], { root, env });
  }, LONGEST_RELEASE_MS);
  afterAll(() => removeTree(root));

  const released = (name: string) => join(root, 'dist', 'release', name);

  const unpacked = new Map<string, Promise<string>>();

  /** The executable of a package, which is unpacked once. */
  async function executableIn(name: string): Promise<string> {
    const tree = unpacked.get(name) ?? unpack(name);
    unpacked.set(name, tree);
    return join(await tree, 'usr', 'bin', 'mosquitto-cert-watcher');
  }

  async function unpack(name: string): Promise<string> {
    const tree = await mkdtemp(join(root, 'dist', 'unpacked-'));
    await run('dpkg-deb', ['--extract', released(name), tree]);
    return tree;
  }

  /** Its control fields, and mode, owner and path of its files, without sizes. */
  async function describePackage(name: string): Promise<string> {
    const { stdout: fields } = await run('dpkg-deb', ['--field', released(name)]);
    const { stdout: files } = await run('dpkg-deb', ['--contents', released(name)]);
    return `${fields.replace(/^Installed-Size: .*\n/m, '')}${files.replace(/^(\S+ \S+) .* (\S+)$/gm, '$1 $2')}`;
  }

  test('holds executables, Debian packages, bills of materials, licences, changes and checksums', async () => {
    expect((await readdir(released('.'))).toSorted()).toEqual(
      [
        'CHANGES.md',
        'SHA256SUMS',
        'THIRD-PARTY-LICENSES.txt',
        ...EXECUTABLES,
        ...EXECUTABLES.map((name) => `${name}.cdx.json`),
        ...PACKAGES,
      ].toSorted(),
    );
  });

  test('is checked by `sha256sum -c`, every file of it', async () => {
    const { stdout } = await run('sha256sum', ['-c', 'SHA256SUMS'], { cwd: released('.') });
    const names = (await readdir(released('.'))).filter((name) => name !== 'SHA256SUMS');
    expect(stdout.trim().split('\n').toSorted()).toEqual(names.map((name) => `${name}: OK`).toSorted());
  });

  test.for(EXECUTABLES)(
    'has a bill of materials about %s as it lies there, with Debian packages',
    async (name) => {
      const bill = JSON.parse(await readFile(released(`${name}.cdx.json`), 'utf8'));
      const names = bill.components.map((component: { name: string }) => component.name);
      expect(bill.metadata.component.hashes[0].content).toBe(await sha256Of(released(name)));
      expect(names).toEqual(
        expect.arrayContaining([
          ...Object.keys(manifest.dependencies),
          'node',
          'libc6',
          'libstdc++6',
          'libgcc-s1',
        ]),
      );
    },
  );

  test.for(PACKAGES)('holds in %s the executable of that machine', async (name) => {
    const arch = name.includes('arm64') ? 'arm64' : 'amd64';
    expect(await sha256Of(await executableIn(name))).toBe(
      await sha256Of(released(`mosquitto-cert-watcher-linux-${arch}`)),
    );
  });

  test('has packages that differ in nothing but the machine', async () => {
    const [amd64, arm64] = await Promise.all(PACKAGES.map(describePackage));
    expect(amd64).toContain('\nArchitecture: amd64\n');
    expect(arm64).toBe(amd64?.replace('\nArchitecture: amd64\n', '\nArchitecture: arm64\n'));
  });

  test.skipIf(!emulator.ok)(
    `holds in the package for arm64 what starts on that machine, as it is emulated${skipped(emulator)}`,
    async () => {
      const executable = await executableIn(packageFor('arm64'));
      expect(machineOf(await readFile(executable))).toBe('arm64');
      // the libraries that the package depends on, as they were downloaded for its bill of materials
      const libraries = join(root, relative(REPOSITORY, CACHE), 'debian-arm64', 'files');
      const { stdout } = await run(QEMU, ['-L', libraries, executable, '--version']);
      expect(stdout).toContain(`mosquitto-cert-watcher ${manifest.version}`);
    },
  );

  test('has the package, byte for byte, that `make deb` makes', async () => {
    const { name, arch } = thisTarget();
    await ship('deb', [name], { root, env });
    expect(await sha256Of(join(root, 'dist', packageFor(arch)))).toBe(
      await sha256Of(released(packageFor(arch))),
    );
  });

  test('carries the licence of everything in the bundle', async () => {
    const licences = await readFile(released('THIRD-PARTY-LICENSES.txt'), 'utf8');
    for (const [name, version] of Object.entries(manifest.dependencies)) {
      expect(licences).toContain(`${name} ${version} (`);
    }
  });

  test('says what it lacks where no engine answers', () => {
    expect(said).toContain('no Docker Engine answers: the release has no images');
  });

  test('is not made where the changelog has no section for the version', async () => {
    const other = await copyOfRepository();
    try {
      await writeFile(join(other, 'CHANGELOG.md'), '# Changelog\n\n## 99.0.0\n');
      const error = await ship('release', [], { root: other, env: WITHOUT_ENGINE }).catch(String);
      expect(error).toContain(`release: CHANGELOG.md has no section for version ${manifest.version}`);
      expect(existsSync(join(other, 'dist'))).toBe(false);
    } finally {
      await rm(other, { recursive: true });
    }
  });
});
