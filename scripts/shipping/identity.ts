/** What this build is: version, commit and the moment of the commit. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { command } from './command.ts';
import { ROOT } from './paths.ts';

export interface Identity {
  readonly version: string;
  /** seven digits, with `-modified` behind it if the working tree differs; undefined outside of a clone */
  readonly commit: string | undefined;
  /** seconds since 1970: of the commit, so that it is the same in every build of it */
  readonly epochS: number;
  /** where the source is published; undefined where neither SOURCE_URL nor the clone tells */
  readonly source: string | undefined;
}

const MANIFEST = v.object({ version: v.string() });

/** Outside of a clone there is no better date that is the same for everybody. */
const NO_DATE_S = 0;

/** Reads package.json and asks git. */
export async function readIdentity(): Promise<Identity> {
  const text = await readFile(join(ROOT, 'package.json'), 'utf8');
  const { version } = v.parse(MANIFEST, JSON.parse(text));
  const head = await git('log', '-1', '--format=%H %ct');
  const [hash, seconds] = head?.split(' ') ?? [];
  const source = publicAddress(process.env['SOURCE_URL'] ?? (await git('remote', 'get-url', 'origin')));
  if (hash === undefined) return { version, commit: undefined, epochS: NO_DATE_S, source };
  const changes = await git('status', '--porcelain');
  const commit = `${hash.slice(0, 7)}${changes === '' ? '' : '-modified'}`;
  return { version, commit, epochS: Number(seconds), source };
}

/** As a browser takes it, without what somebody may have put into it to log in; undefined for a clone of a directory. */
export function publicAddress(remote: string | undefined): string | undefined {
  // git@host:owner/name, as ssh has it
  const [, host, path] = /^(?:ssh:\/\/)?(?:[^@/]+@)([^:/]+)[:/](?!\/)(.+)$/.exec(remote ?? '') ?? [];
  const url = host === undefined ? remote : `https://${host}/${path}`;
  if (url === undefined || !URL.canParse(url)) return undefined;
  const { protocol, host: at, pathname } = new URL(url);
  return /^https?:$/.test(protocol) ? `https://${at}${pathname.replace(/(\.git)?\/*$/, '')}` : undefined;
}

/** What git says; undefined without git or outside of a clone. */
async function git(...args: string[]): Promise<string | undefined> {
  return command('git', args, { cwd: ROOT }).then(
    (text) => text.trim(),
    () => undefined,
  );
}
