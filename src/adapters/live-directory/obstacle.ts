/** What prevents a change of the live directory, as far as that can be seen before trying. */

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { PromotionFailure } from '../../core/model/live.ts';
import { codeOf } from '../../system/errors.ts';
import { DATA, linkTo } from './layout.ts';
import { failureOf, failureOfError } from './trouble.ts';

/** Undefined: nothing does. Never throws. */
export async function findObstacle(
  certDir: string,
  incomingDir: string,
): Promise<PromotionFailure | undefined> {
  try {
    const [directory, incoming] = await Promise.all([
      stat(certDir, { bigint: true }),
      stat(incomingDir, { bigint: true }).catch(() => undefined),
    ]);
    if (directory.dev === incoming?.dev && directory.ino === incoming.ino) {
      return failureOf(
        'same_directory',
        `INCOMING_DIR ${incomingDir} and CERT_DIR ${certDir} are one directory`,
      );
    }
    if (!directory.isDirectory()) return failureOf('directory_missing', `${certDir} is not a directory`);
    if (await isForeign(certDir)) {
      return failureOf(
        'foreign_directory',
        `${join(certDir, DATA)} leads to no set of this program: something else manages ${certDir} (a volume of Kubernetes?)`,
      );
    }
    await access(certDir, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return failureOf('directory_missing', `there is no directory ${certDir}`);
    return failureOfError(error, certDir);
  }
}

async function isForeign(certDir: string): Promise<boolean> {
  const link = await linkTo(certDir, DATA);
  return link !== undefined && link.set === undefined;
}
