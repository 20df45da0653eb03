/** Several files that belong together, read again only when one of them has changed. */

import { type FileIdentity, type FileRead, lookAt, readRegularFile, sameIdentity } from './regular-file.ts';

export interface ReadFile {
  readonly path: string;
  readonly read: FileRead;
}

type Answer<T, F extends { readonly ok: false }> = { readonly ok: true; readonly value: T } | F;

interface Kept<T> {
  readonly value: T;
  /** undefined: that file is missing */
  readonly identities: readonly (FileIdentity | undefined)[];
}

/** How often files are read again if they are being written meanwhile. */
const READ_ATTEMPTS = 3;

/**
 * The result of `judge` for the files. It is kept as long as all of them are the same by device, inode, size, mtime and
 * ctime; files of two different renewals are never judged: if they do not become stable, `busy` is the answer.
 */
export function keepFiles<T, F extends { readonly ok: false }>(
  paths: readonly string[],
  judge: (files: readonly ReadFile[]) => Answer<T, F>,
  busy: () => F,
): () => Promise<Answer<T, F>> {
  let kept: Kept<T> | undefined;

  async function read(): Promise<Answer<T, F>> {
    for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
      const files = await Promise.all(
        paths.map(async (path) => ({ path, read: await readRegularFile(path) })),
      );
      const identities = files.map(({ read: file }) => (file.ok ? file.identity : undefined));
      const isWhole = files.every(({ read: file }) => file.ok || file.kind === 'missing');
      const isChanging = files.some(({ read: file }) => !file.ok && file.kind === 'changing');
      if (isChanging || (isWhole && !(await areUnchanged(paths, identities)))) continue;
      const judged = judge(files);
      kept = judged.ok ? { value: judged.value, identities } : undefined;
      return judged;
    }
    kept = undefined;
    return busy();
  }

  return async () => {
    if (kept !== undefined && (await areUnchanged(paths, kept.identities)))
      return { ok: true, value: kept.value };
    return read();
  };
}

async function areUnchanged(
  paths: readonly string[],
  identities: Kept<unknown>['identities'],
): Promise<boolean> {
  const looks = await Promise.all(paths.map(lookAt));
  return looks.every((look, index) => {
    const known = identities[index];
    if (known === undefined) return !look.ok && look.kind === 'missing';
    return look.ok && sameIdentity(look.identity, known);
  });
}

export function isMissing({ read }: ReadFile): boolean {
  return !read.ok && read.kind === 'missing';
}
