/** The sets that the broker's configuration names, looked at as one. Loaded only with MOSQUITTO_CONF. */

import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { createBrokerConf, ourPath } from '../adapters/broker-conf.ts';
import type { CertFiles } from '../adapters/cert-files.ts';
import { type CrlFile, createCrlFile } from '../adapters/crl-file.ts';
import { createFileEvents, type FileEvents } from '../adapters/file-events.ts';
import type { TlsProbe } from '../adapters/tls-probe/probe.ts';
import { type CertificateSet, type FilesObservation, markOf, type NamedSet } from '../core/model/files.ts';
import type { ConfSight, SetSource } from '../core/model/named-set.ts';
import type { ProbeVerdict } from '../core/model/probe.ts';
import type { Settings } from '../core/model/settings.ts';
import { sourcesIn } from '../core/text/conf-sources.ts';
import { monotonicMs } from '../system/monotonic.ts';
import { fingerprintWith } from '../system/set-digest.ts';
import { probeOf, type SetProbe } from './bridge-probe.ts';
import { withCaDirectory } from './ca-directory.ts';
import { setReaderOf } from './set-reader.ts';

export interface NamedSets {
  readonly certFiles: CertFiles;
  /** Probes each set that was seen last, all at the same time. */
  readonly probe: Pick<TlsProbe, 'run'>;
  createFileEvents(onHint: () => void): FileEvents;
}

interface Kept {
  readonly source: SetSource;
  readonly files: CertFiles;
  readonly probe: SetProbe;
}

export async function createNamedSets(settings: Settings, conf: string): Promise<NamedSets> {
  const path = resolve(conf);
  const configuration = createBrokerConf(path, settings.confMap);
  const kept = new Map<string, Kept>();
  let current: readonly Kept[] = [];
  let changes = 0;
  let brokenSinceMonoMs: number | undefined;

  async function keep(source: SetSource): Promise<Kept> {
    const key = JSON.stringify(source);
    const known = kept.get(key);
    if (known !== undefined) return known;
    const own: Settings = {
      ...settings,
      certRole: source.role,
      caCertFile: source.caFile,
      clientCertFile: source.certFile,
      clientKeyFile: source.keyFile,
    };
    const read = (await setReaderOf(own))('/', 'MOSQUITTO_CONF');
    const listed = source.crlFile === undefined ? read : withCrl(read, createCrlFile(source.crlFile));
    const files = await withCaDirectory(listed, source, settings.brokerUser);
    const made = { source, files, probe: probeOf(source, settings) };
    kept.set(key, made);
    return made;
  }

  async function observe(nowMonoMs: number): Promise<FilesObservation> {
    const { conf: read, problem, isAmbiguous } = await configuration.observe();
    brokenSinceMonoMs = problem && (brokenSinceMonoMs ?? nowMonoMs);
    const sinceMonoMs = read && brokenSinceMonoMs;
    const ours = (file: string) => ourPath(file, settings.confMap, path);
    const { sets, findings } =
      read === undefined
        ? { sets: [], findings: [] }
        : sourcesIn(read, isAmbiguous, ours, settings.brokerUrls[0]?.host);
    current = await Promise.all(sets.map(keep));
    for (const [key, value] of kept) if (!current.includes(value)) kept.delete(key);
    const sight: ConfSight = { path, problem: problem && { ...problem, sinceMonoMs }, findings };
    const seen = await Promise.all(
      current.map(async ({ source, files }) => ({ ...source, files: await files.observe(nowMonoMs) })),
    );
    const whole = seen.filter((each): each is NamedSet => each.files.kind !== 'changing');
    if (whole.length < seen.length) {
      changes += 1;
      return { kind: 'changing', identity: `changing ${changes}`, conf: sight };
    }
    return composed(whole, sight);
  }

  return {
    certFiles: { observe },
    probe: {
      run: (options) => probeAll(current, options),
    },
    createFileEvents(onHint) {
      const directories = () => [dirname(path), ...current.flatMap(({ source }) => directoriesOf(source))];
      return createEventsOf(directories, onHint);
    },
  };
}

/** Where something may happen to the set. */
function directoriesOf({ role, caFile, caPath, certFile, keyFile, crlFile }: SetSource): string[] {
  const files = [caFile, certFile, keyFile, crlFile].filter((file) => file !== undefined);
  return [...files.map((file) => dirname(file)), ...(role === 'bridge' && caPath ? [caPath] : [])];
}

/** The set of a listener with its revocation lists, which are part of it: a new list is a changed set. */
function withCrl({ observe }: CertFiles, crl: CrlFile): CertFiles {
  return {
    async observe(nowMonoMs) {
      const [files, look] = await Promise.all([observe(nowMonoMs), crl.observe()]);
      if (files.kind === 'changing') return files;
      const identity = `${files.identity} ${look.ok ? look.identity : look.complaint.problem}`;
      if (!look.ok && files.kind === 'complete')
        return { kind: 'incomplete', identity, complaints: [look.complaint] };
      if (files.kind !== 'complete' || !look.ok) return { ...files, identity };
      return {
        ...files,
        identity,
        fingerprint: fingerprintWith(files.fingerprint, look.revocation.sha256),
        newestCtimeMs: Math.max(files.newestCtimeMs, look.ctimeMs),
        revocation: look.revocation,
      };
    },
  };
}

/** The verdict on each set, under its name; that on all of them says only that they were probed. */
async function probeAll(
  sets: readonly Kept[],
  { signal, nowMs }: Parameters<TlsProbe['run']>[0],
): Promise<ProbeVerdict | undefined> {
  const began = monotonicMs();
  const options = { signal, nowMs, ofLive: false, onPhase: () => undefined };
  const verdicts = await Promise.all(
    sets.map(async ({ source, probe }) => [source.name, await probe(options)] as const),
  );
  if (signal.aborted) return undefined;
  const known = verdicts.flatMap(([name, verdict]) =>
    verdict === undefined ? [] : [[name, verdict] as const],
  );
  const durationMs = Math.round(monotonicMs() - began);
  return { ok: true, proof: 'pair', durationMs, phaseMs: {}, sets: Object.fromEntries(known) };
}

/** All sets as one; it changes whenever one of them may have changed. */
function composed(sets: readonly NamedSet[], conf: ConfSight): FilesObservation {
  const identity = JSON.stringify(sets.map(({ name, files }) => [name, files.identity]));
  const complete = sets.flatMap(({ files }) => (files.kind === 'complete' ? [files] : []));
  const [first] = complete.toSorted((a, b) => a.leaf.notAfterMs - b.leaf.notAfterMs);
  if (first === undefined) {
    const complaints = sets.flatMap(({ files }) => (files.kind === 'complete' ? [] : files.complaints));
    return {
      kind: 'incomplete',
      identity,
      complaints: complaints.length > 0 ? complaints : [noSet(conf)],
      sets,
      conf,
    };
  }
  const finalFrom = sets.flatMap(({ files }) => files.finalFromMonoMs ?? []);
  const marks = sets.map((named) => `${named.name}\0${markOf(named)}`);
  const unreadable = complete.flatMap((set) => set.unreadable ?? []);
  const set: CertificateSet = {
    ...first,
    identity,
    fingerprint: createHash('sha256').update(marks.join('\0')).digest('hex'),
    newestCtimeMs: Math.max(...complete.map(({ newestCtimeMs }) => newestCtimeMs)),
    rights: complete.map(({ rights }) => rights).join(', '),
    finalFromMonoMs: finalFrom.length === 0 ? undefined : Math.min(...finalFrom),
    ignored: complete.flatMap(({ ignored }) => ignored),
    ...(first.unreadable && { unreadable }),
    sets,
    conf,
  };
  return set;
}

function noSet({ path, problem }: ConfSight) {
  if (problem !== undefined) {
    const place = problem.line === undefined ? '' : `line ${problem.line} `;
    const hint = 'fix the configuration, or check MOSQUITTO_CONF and the mount';
    return { file: problem.path, cause: 'missing', problem: `${place}${problem.text}`, hint };
  }
  const hint =
    'see whether this is the configuration of the broker; certfile and bridge_certfile name the sets';
  return { file: path, cause: 'missing', problem: 'names no certificates', hint };
}

/** Hints from several directories, which may change with the configuration. */
function createEventsOf(directories: () => readonly string[], onHint: () => void): FileEvents {
  const events = new Map<string, FileEvents>();
  return {
    async arm() {
      const wanted = new Set(directories());
      for (const [directory, one] of events) {
        if (wanted.has(directory)) continue;
        one.close();
        events.delete(directory);
      }
      for (const directory of wanted) {
        const one = events.get(directory) ?? createFileEvents(directory, onHint);
        events.set(directory, one);
        await one.arm();
      }
    },
    trouble: () => [...events.values()].map((one) => one.trouble()).find((trouble) => trouble !== undefined),
    close() {
      for (const one of events.values()) one.close();
    },
  };
}
