/** Container images out of the Dockerfile, with the docker command of this machine. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { command, findProgram } from './command.ts';
import type { Identity } from './identity.ts';
import { PROGRAM, ROOT } from './paths.ts';
import { rootfsOf } from './rootfs.ts';
import { isHost, type Target } from './target.ts';

/**
 * Makes the image out of `dist/rootfs-<arch>` and resolves with its tags. That of this machine gets the plain
 * names. That of the other one needs BuildKit: the classic builder marks whatever it builds as its own kind.
 */
export async function makeImage(
  target: Target,
  { version, commit, epochS, source }: Identity,
): Promise<readonly string[]> {
  if ((await findProgram('docker')) === undefined) throw new Error('there is no docker command here');
  const tags = isHost(target)
    ? [`${PROGRAM}:${version}`, `${PROGRAM}:latest`]
    : [`${PROGRAM}:${version}-${target.arch}`];
  const args = {
    TARGETARCH: target.arch,
    VERSION: version,
    REVISION: commit ?? 'unknown',
    CREATED: new Date(epochS * 1_000).toISOString(),
    ...(source !== undefined && { SOURCE: source }),
  };
  const build = [
    'build',
    ...(isHost(target) ? [] : ['--platform', `linux/${target.arch}`]),
    ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...tags.flatMap((tag) => ['--tag', tag]),
    '-',
  ];
  await pipe(
    ['tar', '-c', '-C', ROOT, 'Dockerfile', relative(ROOT, rootfsOf(target))],
    ['docker', ...build],
    isHost(target) ? {} : { DOCKER_BUILDKIT: '1' },
  );
  return tags;
}

/** Whether there is a docker command, and an engine that answers it. */
export async function engineAnswers(): Promise<boolean> {
  return command('docker', ['version', '--format', '{{.Server.Version}}']).then(
    () => true,
    () => false,
  );
}

/** Writes the image with these tags, compressed, as `docker load` takes it. */
export async function saveImage(tags: readonly string[], file: string): Promise<void> {
  const docker = spawn('docker', ['save', ...tags], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [[code]] = await Promise.all([
    once(docker, 'close'),
    pipeline(docker.stdout, createGzip(), createWriteStream(file)),
  ]);
  if (code !== 0) throw new Error(`docker save failed (${code})`);
}

type CommandLine = readonly [program: string, ...args: string[]];

/** `from | to`, with the output of both where ours goes. */
async function pipe(
  [fromProgram, ...fromArgs]: CommandLine,
  [toProgram, ...toArgs]: CommandLine,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const to = spawn(toProgram, toArgs, {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  const from = spawn(fromProgram, fromArgs, { stdio: ['ignore', 'pipe', 'inherit'] });
  // the reader that has ended tells what was wrong
  to.stdin.on('error', () => undefined);
  from.stdout.pipe(to.stdin);
  // and the writer must not wait for it without end
  to.on('close', () => from.stdout.destroy());
  const [[toCode], [fromCode]] = await Promise.all([once(to, 'close'), once(from, 'close')]);
  if (toCode !== 0) throw new Error(`${toProgram} ${toArgs[0]} failed (${toCode})`);
  if (fromCode !== 0) throw new Error(`${fromProgram} failed (${fromCode})`);
}
