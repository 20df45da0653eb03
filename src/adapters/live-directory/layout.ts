/**
 * The layout of the live directory: each path is a link to `..data/<file>`, and `..data` is a link to the directory of
 * a set, so that one rename(2) switches all of them.
 */

import { access, lstat, opendir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../system/errors.ts';
import { TAKEN_AWAY } from './lock.ts';

export const DATA = '..data';
export const PREVIOUS = '..previous';

/** `..set-` and the first 16 digits of the fingerprint; a number is appended if the live set has the same ones. */
const SET = /^\.\.set-[0-9a-f]{16}(-\d{1,4})?$/;

/** The most entries of a directory that are examined. */
const MAX_ENTRIES = 10_000;

/** A directory name for a set that does not replace the directory of the live one. */
export function directoryFor(digits: string, live: string | undefined): string {
  const plain = `..set-${digits.slice(0, 16)}`;
  if (live === undefined || (live !== plain && !live.startsWith(`${plain}-`))) return plain;
  const number = Number(live.slice(plain.length + 1) || 0);
  return `${plain}-${(number % 9_999) + 1}`;
}

/** Whether this is the directory of a set with this fingerprint. */
export function isDirectoryFor(digits: string, directory: string): boolean {
  return directory.startsWith(`..set-${digits.slice(0, 16)}`);
}

export interface Link {
  /** the set that it leads to; undefined: it leads to something else */
  readonly set: string | undefined;
  /** since when it does, milliseconds since the epoch */
  readonly sinceMs: number;
}

/** Where `..data` or `..previous` leads; undefined if there is none. */
export async function linkTo(
  certDir: string,
  name: typeof DATA | typeof PREVIOUS,
): Promise<Link | undefined> {
  const path = join(certDir, name);
  try {
    const { ctimeMs } = await lstat(path);
    const target = await targetOf(path);
    return { set: target !== undefined && SET.test(target) ? target : undefined, sinceMs: ctimeMs };
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Whether all paths are links to the set that `..data` leads to. */
export async function hasOurLinks(certDir: string, names: readonly string[]): Promise<boolean> {
  const targets = await Promise.all(names.map((name) => targetOf(join(certDir, name))));
  return targets.every((target, index) => target === join(DATA, names[index] ?? ''));
}

/** Undefined: not a link. */
async function targetOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (['EINVAL', 'ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** Makes `name` a link to `target` by one rename, whatever it was before. */
export async function pointTo(certDir: string, name: string, target: string, workDir: string): Promise<void> {
  const made = join(workDir, name);
  await symlink(target, made);
  await rename(made, join(certDir, name));
}

/** Rejects if the file system has no links, or cannot replace one by a rename: before anything is changed. */
export async function tryLinks(workDir: string): Promise<void> {
  const [old, made] = [join(workDir, 'old link'), join(workDir, 'new link')];
  await symlink(DATA, old);
  await symlink(DATA, made);
  await rename(made, old);
  await rm(old);
}

/** Makes each path lead to the set that `..data` leads to. */
export async function linkPaths(certDir: string, names: readonly string[], workDir: string): Promise<void> {
  for (const name of names) {
    const target = join(DATA, name);
    if ((await targetOf(join(certDir, name))) !== target) await pointTo(certDir, name, target, workDir);
  }
}

/** Removes the directory of a set to which nothing leads, if it is there. */
export async function discard(certDir: string, directory: string, workDir: string): Promise<void> {
  const away = join(workDir, `gone ${directory}`);
  try {
    // not removed in its place: if the lock was taken away meanwhile, something may lead to it again
    await rename(join(certDir, directory), away);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    await access(workDir);
    return;
  }
  await rm(away, { recursive: true, force: true });
}

/** Removes the sets that are neither live nor previous, and locks that were taken away. Other files stay. */
export async function tidy(certDir: string, workDir: string): Promise<void> {
  const links = await Promise.all([linkTo(certDir, DATA), linkTo(certDir, PREVIOUS)]);
  // somebody else made `..data`: then nothing there is ours to remove
  if (links[0] !== undefined && links[0].set === undefined) return;
  const kept = links.map((link) => link?.set);
  let seen = 0;
  const sets: string[] = [];
  for await (const { name } of await opendir(certDir)) {
    seen += 1;
    if (seen > MAX_ENTRIES) break;
    if (SET.test(name) && !kept.includes(name)) sets.push(name);
    if (TAKEN_AWAY.test(name)) await rm(join(certDir, name), { recursive: true, force: true });
  }
  for (const name of sets) await discard(certDir, name, workDir);
}
