/** The files that the guard needs, checked at intervals: bad ones are reported, and never replace good ones. */

import { resolve } from 'node:path';
import type { Settings } from '../../../core/model/settings.ts';
import { timestamp } from '../../../core/text/timestamp.ts';
import { keepFiles, type ReadFile } from '../../../system/kept-files.ts';
import { startTimer } from '../../../system/timer.ts';
import { busy } from '../../../system/tls-files.ts';
import type { GuardProblem, GuardTrouble } from '../guard.ts';
import { judgeServerFiles, pathsOf, type ServerFiles } from './server-files.ts';
import { type Users, usersOf } from './users.ts';

export interface GuardFiles {
  /** Reads the files, and keeps checking them unless there is a problem, which is returned. */
  open(): Promise<GuardProblem | undefined>;
  /** What is wrong with the files since they were opened. */
  troubles(): readonly GuardTrouble[];
  close(): void;
}

export interface GuardFilesOptions {
  readonly settings: Pick<Settings, 'metricsTls' | 'metricsAuthFile'>;
  readonly onServerFiles: (files: ServerFiles) => void;
  readonly onUsers: (users: Users) => void;
  /** from the end of one look to the next */
  readonly lookMs: number;
}

/** Readers of the files that these settings name; each keeps what it has read until a file changes. */
export function readersOf({ metricsTls, metricsAuthFile }: GuardFilesOptions['settings']) {
  const paths = metricsTls && pathsOf(metricsTls).map((path) => resolve(path));
  const authFile = metricsAuthFile === undefined ? undefined : resolve(metricsAuthFile);
  return {
    tls: paths && keepFiles(paths, judgeServerFiles, () => busy(paths[0] ?? '')),
    auth: authFile === undefined ? undefined : keepFiles([authFile], judgeUsers, () => busy(authFile)),
  };
}

function judgeUsers([file]: readonly ReadFile[]) {
  if (file === undefined) throw new Error('there is one file');
  return usersOf(file);
}

/** Runs concurrently with the loop: a mount that does not respond blocks nothing else. */
export function createGuardFiles({
  settings,
  onServerFiles,
  onUsers,
  lookMs,
}: GuardFilesOptions): GuardFiles {
  const readers = readersOf(settings);
  let [serverFiles, users]: [ServerFiles | undefined, Users | undefined] = [undefined, undefined];
  let troubles: readonly GuardTrouble[] = [];
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  async function look(): Promise<void> {
    const [tls, auth] = await Promise.all([readers.tls?.(), readers.auth?.()]);
    if (tls?.ok === true && tls.value !== serverFiles && isBetter(tls.value, serverFiles)) {
      serverFiles = tls.value;
      onServerFiles(serverFiles);
    }
    if (auth?.ok === true && auth.value !== users) {
      users = auth.value;
      onUsers(users);
    }
    const tlsFault = tls?.ok === true ? expiryOf(tls.value) : tls;
    troubles = [
      ...(tlsFault ? [{ part: 'metrics_tls', problem: tlsFault.problem, hint: tlsFault.hint } as const] : []),
      ...(auth?.ok === false
        ? [{ part: 'metrics_auth', problem: auth.problem, hint: auth.hint } as const]
        : []),
    ];
  }

  function lookLater(): void {
    if (isClosed) return;
    timer = startTimer(() => {
      // the readers return problems as values; after any other error, the next look follows all the same
      look()
        .catch(() => undefined)
        .finally(lookLater);
    }, lookMs);
  }

  return {
    async open() {
      await look();
      const isMissing = (readers.tls && serverFiles === undefined) || (readers.auth && users === undefined);
      if (isMissing) return troubles[0];
      if (timer === undefined) lookLater();
      return undefined;
    },
    troubles: () => (timer === undefined ? [] : troubles),
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

/** A certificate that has expired is better than none, but no better than one that has not. */
function isBetter(found: ServerFiles, kept: ServerFiles | undefined): boolean {
  return kept === undefined || expiryOf(found) === undefined || expiryOf(kept) !== undefined;
}

/** The problem of a certificate that has expired. */
export function expiryOf({ subject, notAfterMs }: ServerFiles): GuardProblem | undefined {
  if (Date.now() < notAfterMs) return undefined;
  const problem = `the certificate in METRICS_TLS_CERT_FILE (${subject}) expired on ${timestamp(notAfterMs)}`;
  return { problem, hint: 'renew it: that takes no restart' };
}
