/**
 * What the broker's user may read: owner, group and mode of each file and of every directory on the way to it, links
 * followed, as path_resolution(7) does. ACLs and capabilities are not seen.
 */

import type { Stats } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Obstacle } from '../core/model/files.ts';
import type { BrokerUser } from '../core/model/settings.ts';
import { lstat, readlink, stat } from '../system/file-calls.ts';

/** As the kernel: more links than this lead in a circle. */
const MOST_LINKS = 40;

const READ = 4;
const SEARCH = 1;

export interface BrokerAccess {
  /** What keeps the user from reading the files now, at most one obstacle a file; what cannot be seen is none. */
  observe(): Promise<readonly Obstacle[]>;
}

/**
 * The files of one directory by their names. `directories`: whether those on the way count; the directory of incoming
 * files is not the one that the broker reads.
 */
export function createBrokerAccess(
  user: BrokerUser,
  certDir: string,
  names: readonly string[],
  directories: boolean,
): BrokerAccess {
  return {
    async observe() {
      const found = await Promise.all(
        names.map(async (file) => {
          const path = resolve(certDir, file);
          const obstacle = await (directories ? onTheWayTo(path, user) : atTheEndOf(path, user));
          return obstacle === undefined ? [] : [{ file, ...obstacle }];
        }),
      );
      return found.flat();
    },
  };
}

type Found = Omit<Obstacle, 'file'>;

/** The first thing on the way to a file that keeps the user out. */
async function onTheWayTo(path: string, user: BrokerUser): Promise<Found | undefined> {
  let directory = '/';
  let rest = path.split('/').filter((part) => part !== '');
  let links = 0;
  try {
    for (;;) {
      const closed = await closedTo(directory, user, SEARCH);
      if (closed !== undefined) return closed;
      const [part, ...further] = rest;
      if (part === undefined) return undefined;
      rest = further;
      const next = part === '..' ? dirname(directory) : join(directory, part);
      const stats = await lstat(next);
      if (stats.isSymbolicLink()) {
        links += 1;
        if (links > MOST_LINKS) return undefined;
        const target = await readlink(next);
        if (isAbsolute(target)) directory = '/';
        rest = [...target.split('/').filter((each) => each !== '' && each !== '.'), ...rest];
      } else if (rest.length === 0) {
        return closedBy(next, stats, user, READ);
      } else {
        directory = next;
      }
    }
  } catch {
    // what is missing, or hidden from the watcher itself, is told as such where the files are read
    return undefined;
  }
}

async function atTheEndOf(path: string, user: BrokerUser): Promise<Found | undefined> {
  try {
    return closedBy(path, await stat(path), user, READ);
  } catch {
    return undefined;
  }
}

async function closedTo(path: string, user: BrokerUser, right: number): Promise<Found | undefined> {
  return closedBy(path, await stat(path), user, right);
}

/** Only the first class that a user belongs to counts, even if another one grants more. */
function closedBy(path: string, stats: Stats, { uid, gid }: BrokerUser, right: number): Found | undefined {
  if (uid === 0) return undefined;
  const { mode, uid: owner, gid: group } = stats;
  const isOwner = owner === uid;
  const isMember = !isOwner && group === gid;
  const shift = isOwner ? 6 : isMember ? 3 : 0;
  if (((mode >> shift) & right) !== 0) return undefined;
  const verb = right === READ ? 'read' : 'enter';
  const octal = (mode & 0o7777).toString(8).padStart(3, '0');
  return {
    path,
    problem: `does not let it ${verb} (mode ${octal}, owner ${owner}, group ${group})`,
    fix: fixFor(path, right === READ ? 'r' : 'x', isOwner, isMember, gid),
  };
}

/** Never for everybody: a private key lies there. */
function fixFor(path: string, right: 'r' | 'x', isOwner: boolean, isMember: boolean, gid: number): string {
  const name = quotedForShell(path);
  if (isOwner) return `chmod u+${right} ${name}`;
  if (isMember) return `chmod g+${right} ${name}`;
  return `chgrp ${gid} ${name} && chmod g+${right} ${name}`;
}

function quotedForShell(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
