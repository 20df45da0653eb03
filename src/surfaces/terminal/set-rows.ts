/** Rows of `check` about each set that the broker's configuration names, and about the configuration. */

import { type AddressVerdict, probeSentence } from '../../core/model/probe.ts';
import { versionsFrom } from '../../core/model/tls-version.ts';
import { WHY_ANOTHER_OF_SEVERAL } from '../../core/news/listener.ts';
import { confHint } from '../../core/news/sets.ts';
import { probeLevel } from '../../core/status/assess.ts';
import type { CertificateStatus, CycleStatus, NamedSetStatus } from '../../core/status/snapshot.ts';
import { hostPort } from '../../core/text/address.ts';
import { timestamp } from '../../core/text/timestamp.ts';
import type { Row } from './row.ts';

/** The doctor's look at a broker: what each listener and bridge uses, until when, and what makes proof impossible. */
export function setRows(
  { sets = [], conf, complaints }: CycleStatus,
  certificateRow: (certificate: CertificateStatus) => Row,
): Row[] {
  return [
    ...confRows(conf),
    ...(sets.length === 0 && conf?.problem === undefined
      ? complaints.map(
          ({ file, problem, hint }): Row => ({
            name: 'files',
            level: 'warning',
            message: `${file} ${problem}`,
            hint,
          }),
        )
      : []),
    ...sets.flatMap((set) => rowsOf(set, certificateRow)),
  ];
}

function confRows(conf: CycleStatus['conf']): Row[] {
  if (conf === undefined) return [];
  const { path, problem, findings } = conf;
  const name = 'configuration';
  const where = problem?.line === undefined ? problem?.path : `${problem.path}, line ${problem.line},`;
  return [
    problem === undefined
      ? { name, level: 'ok', message: `${path} is understood` }
      : {
          name,
          level: 'critical',
          message: `${where} ${problem.text}`,
          hint: confHint(problem.line),
        },
    ...findings.map(
      ({ about, problem: text, hint }): Row => ({
        name,
        level: undefined,
        message: `${about} ${text}`,
        hint,
      }),
    ),
  ];
}

function rowsOf(set: NamedSetStatus, certificateRow: (certificate: CertificateStatus) => Row): Row[] {
  const { name, complaints, certificates, pair, unreadable } = set;
  const level = set.files === 'unparsable' ? 'critical' : 'warning';
  return [
    ...complaints.map(
      ({ file, problem, hint }): Row => ({ name, level, message: `${file} ${problem}`, hint }),
    ),
    ...certificates.map((certificate) => {
      const row = certificateRow(certificate);
      return { ...row, name, message: `${row.name}: ${row.message}` };
    }),
    ...(pair === 'does_not_match'
      ? [{ name, level: 'critical' as const, message: `${set.keyFile} belongs to another certificate` }]
      : []),
    ...(unreadable ?? []).map(
      ({ path, problem, fix }): Row => ({
        name,
        level: 'critical',
        message: `${path} ${problem}`,
        hint: fix,
      }),
    ),
    ...crlRows(set),
    ...listenerRows(set),
    ...connectionRows(set),
    ...upstreamRows(set),
  ];
}

function crlRows({ name, revocation }: NamedSetStatus): Row[] {
  if (revocation === undefined) return [];
  const { file, nextUpdateMs } = revocation;
  const until = nextUpdateMs === undefined ? 'says not until when' : `until ${timestamp(nextUpdateMs)}`;
  return [{ name, level: 'ok', message: `revocation list: ${file}, ${until}` }];
}

/** One that cannot be reached from here is nobody's fault. */
function listenerRows({ name, listener }: NamedSetStatus): Row[] {
  if (listener === undefined) return [];
  const { seen, isCurrent } = listener;
  if (!seen.ok) return [{ name, level: undefined, message: `listener: ${seen.problem}` }];
  const until = Number.isNaN(seen.notAfterMs) ? '' : `, valid until ${timestamp(seen.notAfterMs)}`;
  const what = `listener: presents ${seen.subject || 'a certificate'}${until}`;
  if (isCurrent) return [{ name, level: 'ok', message: `${what}, the one on disk` }];
  return [{ name, level: 'warning', message: `${what}, not the one on disk`, hint: WHY_ANOTHER_OF_SEVERAL }];
}

/** What its configuration says of the connection, beside its files. */
function connectionRows({ name, role, upstreams, caPath, oldestTls, alpn }: NamedSetStatus): Row[] {
  const verb = role === 'listener' ? 'accepts' : 'offers';
  const protocol = alpn === undefined ? '' : `, and asks for ${alpn} by ALPN`;
  const use = role === 'listener' ? 'of clients, looked up at each handshake' : 'of its upstream';
  const speaks: Row = {
    name,
    level: undefined,
    message: `TLS: ${verb} ${versionsFrom(oldestTls)}${protocol}`,
  };
  return [
    ...(caPath === undefined
      ? []
      : [{ name, level: undefined, message: `CA certificates ${use}: in the directory ${caPath}` }]),
    ...(role === 'listener' || upstreams.length > 0 ? [speaks] : []),
  ];
}

function upstreamRows({ name, upstreams, verdict }: NamedSetStatus): Row[] {
  if (upstreams.length === 0) return [];
  if (verdict === undefined) {
    const addresses = upstreams.map(hostPort).join(', ');
    return [{ name, level: undefined, message: `upstream: ${addresses} was not asked` }];
  }
  const [first] = upstreams;
  const { addresses = [{ upstream: first === undefined ? '' : hostPort(first), verdict }] } = verdict;
  return addresses.map((each): Row => ({ name, ...addressRow(each, verdict.ok) }));
}

/** One address that works is enough: another one that is down is not judged, one that refuses the set is a warning. */
function addressRow({ upstream, verdict }: AddressVerdict, isEnough: boolean): Omit<Row, 'name'> {
  if (verdict.ok) {
    const seen = [verdict.address === upstream ? undefined : verdict.address, verdict.protocol];
    const how = seen.filter((each) => each !== undefined).join(', ');
    return {
      level: 'ok',
      message: `upstream: ${upstream} raised no objection${how === '' ? '' : ` (${how})`}`,
    };
  }
  const level = probeLevel(verdict);
  return {
    level: !isEnough ? level : level === 'critical' ? 'warning' : undefined,
    message: `upstream: ${upstream}: ${probeSentence(verdict)}: ${verdict.cause}, ${verdict.error}`,
    hint: verdict.hint,
  };
}
