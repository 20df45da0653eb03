/**
 * Makes dist/release: the executables of both machines, Debian packages, images, bills of materials, licences, what has changed, and
 * checksums of it all. With `--draft` also where the changelog has no section for the version yet, or where the
 * working tree differs from the commit.
 */

import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { billOfMaterials } from './shipping/bill-of-materials.ts';
import { type Bundle, bundle } from './shipping/bundle.ts';
import { sectionOf } from './shipping/changelog.ts';
import { distribution } from './shipping/debian.ts';
import { makeDebianPackage } from './shipping/debian-package.ts';
import { sha256Of } from './shipping/file-facts.ts';
import { type Identity, readIdentity } from './shipping/identity.ts';
import { engineAnswers, makeImage, saveImage } from './shipping/image.ts';
import { packagesFor } from './shipping/libraries.ts';
import { readLockfile } from './shipping/lockfile.ts';
import { noticesFor } from './shipping/notices.ts';
import { DIST, PROGRAM, ROOT } from './shipping/paths.ts';
import { buildProgram } from './shipping/program.ts';
import { makeRootfs } from './shipping/rootfs.ts';
import { hostRuntime, runtimeFor, runtimeVersions } from './shipping/runtime.ts';
import { hostTarget, isHost, TARGET_NAMES, type Target, targetNamed } from './shipping/target.ts';
import { runScript, tell } from './shipping/tell.ts';

const RELEASE = join(DIST, 'release');
const DRAFT = join(DIST, 'release.new');

await runScript('release', async () => {
  const identity = await readIdentity();
  const changes = await changesOf(identity, process.argv.includes('--draft'));
  await rm(DRAFT, { recursive: true, force: true });
  await mkdir(DRAFT, { recursive: true });
  await put('CHANGES.md', changes);
  const code = await bundle(identity);
  await put('THIRD-PARTY-LICENSES.txt', await noticesFor(code, await hostRuntime()));
  const imageIsMade = await engineAnswers();
  if (!imageIsMade) tell('no Docker Engine answers: the release has no images');
  for (const target of TARGET_NAMES.map(targetNamed)) await release(target, identity, code, imageIsMade);
  await putChecksums();
  await rm(RELEASE, { recursive: true, force: true });
  await rename(DRAFT, RELEASE);
  tell(`${relative(ROOT, RELEASE)} is complete`);
});

/** What goes with the version; throws where there must be no release yet. */
async function changesOf({ version, commit }: Identity, isDraft: boolean): Promise<string> {
  const changelog = await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8');
  const section = sectionOf(changelog, version) ?? (isDraft ? sectionOf(changelog, 'Unreleased') : undefined);
  if (section === undefined)
    throw new Error(
      `CHANGELOG.md has no section for version ${version}; rename "Unreleased" to "${version}" with the date behind it`,
    );
  if (!isDraft && (commit === undefined || commit.endsWith('-modified')))
    throw new Error('the working tree is not a commit that others can build; commit everything first');
  return `# ${PROGRAM} ${version}\n\n${section}\n`;
}

async function release(
  target: Target,
  identity: Identity,
  code: Bundle,
  imageIsMade: boolean,
): Promise<void> {
  const program = await buildProgram(target, identity);
  const name = `${PROGRAM}-${target.name}`;
  await copyFile(program, join(DRAFT, name));
  await put(
    `${name}.cdx.json`,
    billOfMaterials({
      identity,
      target,
      sha256: await sha256Of(program),
      lockfile: await readLockfile(),
      bundled: code.packages,
      runtimeVersions: await runtimeVersions(),
      debian: await packagesFor(target),
      distribution: await distribution(),
    }),
  );
  const notices = await noticesFor(code, await runtimeFor(target));
  await makeDebianPackage({ target, program, notices, identity, directory: DRAFT });
  if (imageIsMade) await putImage(target, identity, program, notices);
}

/** The image as `docker load` takes it. That of the other machine needs BuildKit, which not every client has. */
async function putImage(target: Target, identity: Identity, program: string, notices: string): Promise<void> {
  await makeRootfs({ target, program, notices, epochS: identity.epochS });
  const file = join(DRAFT, `${PROGRAM}-${target.name}-image.tar.gz`);
  try {
    await saveImage(await makeImage(target, identity), file);
  } catch (error) {
    if (isHost(target)) throw error;
    const problem = error instanceof Error ? error.message : String(error);
    tell(`${target.name}: no image, because the docker command of ${hostTarget().name} cannot: ${problem}`);
  }
}

async function put(name: string, text: string): Promise<void> {
  await writeFile(join(DRAFT, name), text);
}

/** For `sha256sum -c SHA256SUMS`. */
async function putChecksums(): Promise<void> {
  const names = (await readdir(DRAFT)).toSorted();
  const lines = await Promise.all(
    names.map(async (name) => `${await sha256Of(join(DRAFT, name))}  ${name}\n`),
  );
  await put('SHA256SUMS', lines.join(''));
}
