/** The directory of CA certificates of a bridge, which is part of its set as a CA file is. */

import { createHash } from 'node:crypto';
import { type CertFiles, factsOf, hasDates } from '../adapters/cert-files.ts';
import type { Certificate } from '../core/model/certificate.ts';
import type { FileComplaint, FilesObservation, Obstacle } from '../core/model/files.ts';
import type { SetSource } from '../core/model/named-set.ts';
import type { BrokerUser } from '../core/model/settings.ts';
import { type CaDirectoryProblem, createCaDirectory } from '../system/ca-directory.ts';
import { addCertificates, fingerprintWith } from '../system/set-digest.ts';
import type { ParsedCertificate } from '../system/x509.ts';

/** What is kept of the certificates: neither bytes nor PEM. */
interface Contents {
  readonly authorities: readonly Certificate[];
  readonly sha256: string;
}

/** The set together with the directory: other CA certificates in it are a changed set. Of a listener nothing changes. */
export async function withCaDirectory(
  files: CertFiles,
  { role, caPath, caFile }: SetSource,
  brokerUser: BrokerUser | undefined,
): Promise<CertFiles> {
  if (role !== 'bridge' || caPath === undefined) return files;
  const directory = createCaDirectory(caPath, contentsOf);
  const obstacles = await accessTo(caPath, brokerUser);
  let changes = 0;
  return {
    async observe(nowMonoMs) {
      const [set, look] = await Promise.all([files.observe(nowMonoMs), directory.look()]);
      if (set.kind === 'changing') return set;
      if (look.ok)
        return {
          ...set,
          identity: `${set.identity} ${look.identity}`,
          ...(set.kind === 'complete' && {
            fingerprint: fingerprintWith(set.fingerprint, look.value.sha256),
            newestCtimeMs: Math.max(set.newestCtimeMs, look.newestCtimeMs),
            authorities: [...set.authorities, ...look.value.authorities],
            authoritiesFile: [caFile, caPath].filter((each) => each !== undefined).join(' or '),
            ignored: [...set.ignored, ...look.ignored.map((problem) => ignored(caPath, problem))],
            ...(set.unreadable && { unreadable: [...set.unreadable, ...(await obstacles(look.names))] }),
          }),
        };
      if (look.kind === 'changing') {
        changes += 1;
        return { kind: 'changing', identity: `changing ${changes}` };
      }
      // with a CA file beside it, it may not be needed
      return withoutDirectory(set, caPath, look, caFile !== undefined);
    },
  };
}

const MOST_OBSTACLES = 5;

/** What keeps the broker's user from reading these files of the directory. */
async function accessTo(
  path: string,
  user: BrokerUser | undefined,
): Promise<(names: readonly string[]) => Promise<readonly Obstacle[]>> {
  if (user === undefined) return async () => [];
  const { createBrokerAccess } = await import('../adapters/broker-access.ts');
  return async (names) =>
    (await createBrokerAccess(user, path, names, true).observe()).slice(0, MOST_OBSTACLES);
}

function withoutDirectory(
  set: Exclude<FilesObservation, { kind: 'changing' }>,
  path: string,
  look: CaDirectoryProblem,
  isSpare: boolean,
): FilesObservation {
  const identity = `${set.identity} ${look.problem}`;
  if (isSpare)
    return set.kind === 'complete'
      ? { ...set, identity, ignored: [...set.ignored, ignored(path, look.problem)] }
      : { ...set, identity };
  const complaint: FileComplaint = {
    file: path,
    cause: look.kind,
    problem: look.problem,
    hint: look.hint,
  };
  if (set.kind === 'complete') {
    const kind = look.kind === 'unparsable' ? 'unparsable' : 'incomplete';
    return { kind, identity, complaints: [complaint] };
  }
  return { ...set, identity, complaints: [...set.complaints, complaint] };
}

function ignored(file: string, problem: string): FileComplaint {
  const hint = `the bridge does not find it either: write it again, and run openssl rehash ${file}`;
  return { file, cause: 'ignored', problem, hint };
}

function contentsOf(certificates: readonly ParsedCertificate[]): Contents {
  const authorities = certificates.filter(hasDates).map(factsOf);
  return { authorities, sha256: addCertificates(createHash('sha256'), certificates).digest('hex') };
}
