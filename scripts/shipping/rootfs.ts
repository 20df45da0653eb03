/** Everything that is in an image, laid out in a directory: the Dockerfile only copies it. */

import { chmod, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { librariesFor } from './libraries.ts';
import { DIST } from './paths.ts';
import { settle } from './settle.ts';
import type { Target } from './target.ts';

export interface RootfsParts {
  readonly target: Target;
  readonly program: string;
  readonly notices: string;
  /** seconds since 1970, for every file: so that the same content is the same layer */
  readonly epochS: number;
}

/** Everything but the state directory; `qemu-aarch64-static -L` takes it as it is. */
export const ROOT_DIRECTORY = 'root';

/**
 * Where the watcher may keep its state file; a volume mounted there inherits its owner. It lies beside the root,
 * because COPY gives an owner only to a directory that it creates.
 */
const STATE_DIRECTORY = 'state';

/** The directory that the Dockerfile copies for this target. */
export function rootfsOf({ arch }: Target): string {
  return join(DIST, `rootfs-${arch}`);
}

/** Makes `dist/rootfs-<arch>`. */
export async function makeRootfs({ target, program, notices, epochS }: RootfsParts): Promise<string> {
  const directory = rootfsOf(target);
  const draft = `${directory}.new`;
  await rm(draft, { recursive: true, force: true });

  async function put(path: string, mode: number, write: (file: string) => Promise<void>) {
    const file = join(draft, ROOT_DIRECTORY, path);
    await mkdir(dirname(file), { recursive: true });
    await write(file);
    await chmod(file, mode);
  }

  await put('mosquitto-cert-watcher', 0o755, (file) => copyFile(program, file));
  for (const { source, path } of await librariesFor(target)) {
    await put(path, 0o755, (file) => copyFile(source, file));
  }
  await put('etc/nsswitch.conf', 0o644, (file) => writeFile(file, 'hosts: files dns\n'));
  await put('licenses/NOTICES', 0o644, (file) => writeFile(file, notices));
  await mkdir(join(draft, STATE_DIRECTORY));
  await settle(draft, epochS);
  await rm(directory, { recursive: true, force: true });
  await rename(draft, directory);
  return directory;
}
