/** The Debian package: what lies where, and what dpkg has to know about it. deb(5), deb-control(5) */

import { createHash } from 'node:crypto';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { neededVerbs } from '../../src/core/model/unit.ts';
import { polkitRule } from '../../src/surfaces/terminal/unit-policy.ts';
import { sectionOf } from './changelog.ts';
import { command } from './command.ts';
import { completions } from './completions.ts';
import { copyrightFile, debianChangelog, homepageField, MAINTAINER } from './debian-metadata.ts';
import type { Identity } from './identity.ts';
import { MAN_SECTION, manPage } from './man-page.ts';
import { DIST, PROGRAM, ROOT } from './paths.ts';
import { settle } from './settle.ts';
import type { Target } from './target.ts';

export interface DebianPackageParts {
  readonly target: Target;
  /** the executable */
  readonly program: string;
  /** the licences of all that is inside it */
  readonly notices: string;
  readonly identity: Identity;
  /** where the package goes; `dist` unless told */
  readonly directory?: string;
}

/** Where the settings are; dpkg keeps what somebody has changed there. */
const SETTINGS = `etc/default/${PROGRAM}`;

/** For rules of packages; those of the administrator are in /etc. The directory belongs to polkitd, and dpkg leaves it so. */
const POLKIT_RULE = `usr/share/polkit-1/rules.d/50-${PROGRAM}.rules`;

/** The file as it was installed, with which the unit recognizes that nothing is configured yet. */
const PRISTINE = `usr/share/${PROGRAM}/default`;

/** The oldest versions with every symbol that the pinned runtime is linked with, and systemd as MOSQUITTO_UNIT needs it. */
const DEPENDS = ['libc6 (>= 2.28)', 'libgcc-s1 (>= 3.4)', 'libstdc++6 (>= 6)', 'systemd (>= 247)'];

const DESCRIPTION = `restarts Mosquitto once when its bridge certificates are renewed
 At the edge, an Eclipse Mosquitto broker bridges to an upstream with a client
 certificate that some agent renews on disk. Mosquitto does not notice: the
 bridge keeps using the old certificate until the broker is restarted.
 .
 This daemon notices the new files, makes sure that they are complete, valid
 and belong together, asks the upstream whether it accepts them, restarts the
 broker exactly once and proves that it came back. The broker may be a systemd
 unit or a container.`;

/** What the manual page says about files. */
const FILES = [
  [`/${SETTINGS}`, 'the settings of the service'],
  [`/usr/lib/systemd/system/${PROGRAM}.service`, 'the unit; systemctl edit changes it'],
  [
    `/${POLKIT_RULE}`,
    `lets the service restart mosquitto.service, and nothing else; for other settings: ${PROGRAM} unit-policy`,
  ],
  [`/var/lib/${PROGRAM}`, 'what it remembers across restarts'],
] as const;

/**
 * Makes `mosquitto-cert-watcher_<version>_<architecture>.deb`, the same from the same commit, without root; needs
 * dpkg-deb.
 */
export async function makeDebianPackage(parts: DebianPackageParts): Promise<string> {
  const { target, identity, directory = DIST } = parts;
  await mkdir(directory, { recursive: true });
  const workshop = await mkdtemp(join(directory, '.deb-'));
  try {
    const tree = join(workshop, 'tree');
    await layOut(tree, parts);
    await describe(tree, parts);
    await settle(tree, identity.epochS);
    const file = join(workshop, 'package.deb');
    // a tenth larger than by the default level of xz, in a quarter of its time; one thread, or the number of processors
    // would decide how the file is divided
    const compression = ['-Zxz', '-z2', '--threads-max=1'];
    await command('dpkg-deb', ['--root-owner-group', ...compression, '--build', tree, file], {
      env: { SOURCE_DATE_EPOCH: String(identity.epochS) },
    });
    const finished = join(directory, `${PROGRAM}_${identity.version}_${target.arch}.deb`);
    await rename(file, finished);
    return finished;
  } finally {
    await rm(workshop, { recursive: true });
  }
}

async function put(file: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  await chmod(file, mode);
}

/** Compressed as Debian's tools expect it: as small as possible, and without a date. */
function gzip(text: string): Uint8Array {
  return gzipSync(text, { level: 9 });
}

function deployed(name: string): Promise<string> {
  return readFile(join(ROOT, 'deploy', name), 'utf8');
}

/** Everything that is installed. */
async function layOut(tree: string, { program, notices, identity }: DebianPackageParts): Promise<void> {
  const at = (path: string) => join(tree, path);
  await mkdir(at('usr/bin'), { recursive: true });
  await copyFile(program, at(`usr/bin/${PROGRAM}`));
  await chmod(at(`usr/bin/${PROGRAM}`), 0o755);
  await put(
    at(`usr/lib/systemd/system/${PROGRAM}.service`),
    withoutHandInstructions(await deployed(`${PROGRAM}.service`)),
  );
  await put(at(`usr/lib/sysusers.d/${PROGRAM}.conf`), await deployed('debian/sysusers.conf'));
  await put(at(SETTINGS), await deployed('debian/default'));
  await put(at(PRISTINE), await deployed('debian/default'));
  await put(at(POLKIT_RULE), polkitRule('mosquitto.service', neededVerbs('restart'), PROGRAM));
  const page = manPage({ ...identity, files: FILES });
  await put(at(`usr/share/man/man${MAN_SECTION}/${PROGRAM}.${MAN_SECTION}.gz`), gzip(page));
  await put(at(`usr/share/bash-completion/completions/${PROGRAM}`), completions('bash'));
  await put(at(`usr/share/zsh/vendor-completions/_${PROGRAM}`), completions('zsh'));
  await put(at(`usr/share/fish/vendor_completions.d/${PROGRAM}.fish`), completions('fish'));
  await put(at(`usr/share/lintian/overrides/${PROGRAM}`), await deployed('debian/lintian-overrides'));
  const doc = `usr/share/doc/${PROGRAM}`;
  await put(at(`${doc}/copyright`), copyrightFile(identity));
  await put(at(`${doc}/NOTICES.gz`), gzip(notices));
  const changes = sectionOf(await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8'), identity.version);
  await put(at(`${doc}/changelog.gz`), gzip(debianChangelog(identity, changes)));
}

/** The remark at the top of the unit is for those who have no package. */
function withoutHandInstructions(unit: string): string {
  return unit.slice(unit.indexOf('[Unit]'));
}

/** What dpkg reads. */
async function describe(tree: string, { target, identity }: DebianPackageParts): Promise<void> {
  const files = await filesIn(tree);
  const sizes = await Promise.all(files.map(async (file) => Math.ceil((await stat(file)).size / 1_024)));
  const control = [
    `Package: ${PROGRAM}`,
    `Version: ${identity.version}`,
    `Architecture: ${target.arch}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${sizes.reduce((sum, size) => sum + size, 0)}`,
    `Depends: ${DEPENDS.join(', ')}`,
    'Recommends: mosquitto, polkitd | policykit-1',
    'Section: net',
    'Priority: optional',
    ...homepageField(identity),
    `Description: ${DESCRIPTION}`,
  ];
  const sums = await Promise.all(
    files.map(async (file) => `${await md5Of(file)}  ${relative(tree, file)}\n`),
  );
  const at = (name: string) => join(tree, 'DEBIAN', name);
  await put(at('control'), `${control.join('\n')}\n`);
  await put(at('conffiles'), `/${SETTINGS}\n`);
  await put(at('md5sums'), sums.join(''));
  for (const script of ['postinst', 'prerm', 'postrm']) {
    await put(at(script), await deployed(`debian/${script}`), 0o755);
  }
}

async function filesIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

/** What dpkg --verify compares; it knows no other. */
async function md5Of(file: string): Promise<string> {
  return createHash('md5')
    .update(await readFile(file))
    .digest('hex');
}
