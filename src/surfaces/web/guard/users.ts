/**
 * The file of users and their bcrypt hashes, in the format of `htpasswd -B`, with hashes as Prometheus exporters accept
 * them.
 */

import { type BcryptHash, parseBcrypt } from '../../../system/bcrypt.ts';
import type { ReadFile } from '../../../system/kept-files.ts';
import { type FileFault, fault, unusable } from '../../../system/tls-files.ts';

export interface User {
  /** as it appears in the file */
  readonly text: string;
  readonly hash: BcryptHash;
}

export type Users = ReadonlyMap<string, User>;

type UsersResult = { readonly ok: true; readonly value: Users } | FileFault;

/** Below, a hash does not protect; above, a single password takes this processor a second or more. */
const COSTS = { least: 4, most: 12 } as const;

const MOST_USERS = 100;
const MOST_PROBLEMS = 5;
const HINT = 'a line is user:hash with a bcrypt hash, as htpasswd -nB USER prints it; # begins a comment';

/** The users of a file by name, or its first bad lines by number; nothing of their content is shown. */
export function usersOf(file: ReadFile): UsersResult {
  if (!file.read.ok) return unusable(file.path, file.read, 'METRICS_AUTH_FILE', 'text file');
  const users = new Map<string, User>();
  const lineOf = new Map<string, number>();
  const problems: string[] = [];
  for (const [index, raw] of linesOf(file.read.bytes).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const read = readLine(line);
    const before = lineOf.get(read.name);
    if (typeof read.user === 'string') problems.push(`line ${index + 1} ${read.user}`);
    else if (before !== undefined) problems.push(`line ${index + 1} names the user of line ${before} again`);
    else users.set(read.name, read.user);
    lineOf.set(read.name, before ?? index + 1);
    if (problems.length === MOST_PROBLEMS) break;
  }
  if (problems.length > 0) return fault(file.path, `is not usable: ${problems.join('; ')}`, HINT);
  if (users.size === 0) return fault(file.path, 'names no user', HINT);
  if (users.size > MOST_USERS) return fault(file.path, `names more than ${MOST_USERS} users`, HINT);
  return { ok: true, value: users };
}

function linesOf(bytes: Buffer): readonly string[] {
  return bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split('\n');
}

/** A user, or what is wrong with the line. */
function readLine(line: string): { readonly name: string; readonly user: User | string } {
  const colon = line.indexOf(':');
  const [name, text] = [line.slice(0, Math.max(0, colon)), line.slice(colon + 1).trim()];
  return { name, user: colon < 1 ? 'has no user:hash' : (problemOf(text) ?? userOf(text)) };
}

function userOf(text: string): User | string {
  const hash = parseBcrypt(text);
  if (hash === undefined) return 'has no bcrypt hash ($2a$, $2b$ or $2y$, a cost, 53 characters)';
  if (hash.cost <= COSTS.most) return { text, hash };
  return `has the cost ${hash.cost}: ${COSTS.least} to ${COSTS.most} are accepted`;
}

/** For hashes that other programs accept. */
function problemOf(text: string): string | undefined {
  if (/^\$(?:apr1|1)\$/.test(text)) return 'has an MD5 hash, not bcrypt';
  if (/^\{SHA\}/i.test(text)) return 'has a SHA-1 hash, not bcrypt';
  if (/^\$[56y]\$|^\$argon2/.test(text)) return 'has a hash of another kind than bcrypt';
  return undefined;
}
