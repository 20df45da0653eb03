/** The revocation lists of a listener (`crlfile`): read again when the file has changed. */

import type { FileComplaint, Revocation } from '../core/model/files.ts';
import { parseLists } from '../system/crl.ts';
import { keepFiles } from '../system/kept-files.ts';
import { lookAt } from '../system/regular-file.ts';

export type CrlLook =
  | {
      readonly ok: true;
      readonly revocation: Revocation;
      readonly identity: string;
      readonly ctimeMs: number;
    }
  | { readonly ok: false; readonly complaint: FileComplaint };

export interface CrlFile {
  observe(): Promise<CrlLook>;
}

export function createCrlFile(path: string): CrlFile {
  const complain = (cause: string, problem: string, hint: string) =>
    ({ ok: false, complaint: { file: path, cause, problem, hint } }) as const;
  const lists = keepFiles(
    [path],
    ([file]) => {
      if (file === undefined || !file.read.ok) {
        const { kind = 'missing', problem = 'does not exist' } = file?.read.ok === false ? file.read : {};
        return complain(
          kind,
          problem,
          'wait for the agent that writes it, or check crlfile in mosquitto.conf',
        );
      }
      const parsed = parseLists(file.read.bytes);
      return parsed.ok
        ? { ok: true, value: parsed }
        : complain(
            'unparsable',
            parsed.problem,
            'look at it with openssl crl -noout -text, and have it written again',
          );
    },
    () => complain('io_error', 'changes while it is read', 'it is read again'),
  );
  return {
    async observe() {
      const read = await lists();
      if (!read.ok) return read;
      const look = await lookAt(path);
      const [first] = read.value.lists.toSorted((a, b) => endOf(a.nextUpdateMs) - endOf(b.nextUpdateMs));
      if (first === undefined || !look.ok) return complain('missing', 'does not exist', 'check crlfile');
      const { inode, size, mtimeNs, ctimeNs } = look.identity;
      return {
        ok: true,
        revocation: {
          file: path,
          sha256: read.value.sha256,
          thisUpdateMs: first.thisUpdateMs,
          nextUpdateMs: first.nextUpdateMs,
        },
        identity: [inode, size, mtimeNs, ctimeNs].join(':'),
        ctimeMs: Number(ctimeNs) / 1e6,
      };
    },
  };
}

function endOf(nextUpdateMs: number | undefined): number {
  return nextUpdateMs ?? Number.POSITIVE_INFINITY;
}
