/** Rules for a two-phase rotation: what conflicts with INCOMING_DIR, or with CERT_DIR. */

import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Target } from '../core/model/settings.ts';
import { codeOf } from '../system/errors.ts';
import { realpath, statBig } from '../system/file-calls.ts';

/** Conflicts between the two directories: links or mounts may make them the same, even if neither exists yet. */
export async function directoryProblems(
  certDir: string | undefined,
  incomingDir: string | undefined,
): Promise<string[]> {
  if (certDir === undefined || incomingDir === undefined) return [];
  const both = `INCOMING_DIR=${incomingDir} and CERT_DIR=${certDir}`;
  const [live, incoming] = await Promise.all([realPath(certDir), realPath(incomingDir)]);
  const [liveInode, incomingInode] = await Promise.all([inodeOf(live), inodeOf(incoming)]);
  if (live === incoming || (liveInode !== undefined && liveInode === incomingInode)) {
    return [`${both} are the same directory; give the agent one of its own`];
  }
  const [first = ''] = relative(live, incoming).split('/');
  if (/^\.\.(data|previous|set-)/.test(first)) {
    return [`${both}: the agent may not write to the sets that the watcher keeps in CERT_DIR`];
  }
  return [];
}

/** The path without links, as far as it exists. */
async function realPath(path: string): Promise<string> {
  const whole = resolve(path);
  try {
    return await realpath(whole);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(whole) === whole) return whole;
    return join(await realPath(dirname(whole)), basename(whole));
  }
}

/** Undefined: nothing is there, or access to it is denied. */
async function inodeOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await statBig(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

export interface Names {
  readonly caCertFile: string | undefined;
  readonly clientCertFile: string | undefined;
  readonly clientKeyFile: string | undefined;
  readonly target: Target | undefined;
}

/** Conflicts between INCOMING_DIR and the other settings. */
export function incomingProblems({ caCertFile, clientCertFile, clientKeyFile, target }: Names): string[] {
  const names = Object.entries({
    CA_CERT_FILE: caCertFile,
    CLIENT_CERT_FILE: clientCertFile,
    CLIENT_KEY_FILE: clientKeyFile,
  });
  const problems = names
    .filter(([, name]) => name !== undefined && (name.includes('/') || name.startsWith('..') || name === '.'))
    .map(
      ([setting, name]) =>
        `${setting}=${JSON.stringify(name)} is not a plain file name, which INCOMING_DIR needs: the same name lies in both directories`,
    );
  if (target?.kind !== 'service') return problems;
  return [
    ...problems,
    'INCOMING_DIR and MOSQUITTO_SERVICE are set; a set is promoted on one node, and a service starts its tasks on any',
  ];
}
