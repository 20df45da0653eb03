/**
 * What a simulated broker has loaded of each of its sets: at a start all of them, at a signal what Mosquitto 2.1 takes
 * up. Certificate and key of a listener are presented from then on, its CA file and revocation list stay the old ones; a
 * bridge with `bridge_reload_type immediate` falls, and connects with all of its files after its back-off.
 */

import type { Bridge, BridgeSight } from '../src/core/model/bridge.ts';
import type { CertificateSet, FilesObservation, NamedSet } from '../src/core/model/files.ts';
import type { Presented } from '../src/core/model/presented.ts';
import type { HostPort } from '../src/core/model/settings.ts';
import * as fix from './core-fixtures.ts';
import type { FakeClock } from './fake-clock.ts';

/** Within the measured 6 to 8 s. */
const BACK_OFF_MS = 7_000;

interface Loaded {
  readonly named: NamedSet;
  /** where certificate and key come from */
  certificate: CertificateSet;
  /** where the CA certificates and the revocation list come from */
  trust: CertificateSet;
}

export type SimulatedSets = ReturnType<typeof createSimulatedSets>;

export function createSimulatedSets(clock: FakeClock, onBridges: () => void) {
  const loaded = new Map<string, Loaded>();
  const bridges = new Map<string, Bridge>();
  const never = new AbortController().signal;
  let messages = 0;
  let starts = 0;

  const simulated = {
    /** what a signal does; `nothing`: as where a script is PID 1 that ignores it */
    signal: 'is taken up' as 'is taken up' | 'does nothing',
    /** leaves that something else presents at a port, instead of the broker */
    others: new Map<number, string>(),
    /** nobody can be reached at these ports */
    unreachable: new Set<number>(),
    /** false: the watcher cannot log in */
    areBridgesHeard: true,
    /** of which bridges the broker reports something, by name, beside its own */
    strangers: [] as Bridge[],

    /** false: a signal does not reach bridges */
    isMoved: true,
    /** how often a listener was looked at */
    looks: 0,

    hasStarted: () => starts > 0,
    /** The broker starts, with what lies there. */
    start(files: FilesObservation) {
      starts += 1;
      loaded.clear();
      for (const named of files.sets ?? []) {
        if (named.files.kind !== 'complete') continue;
        loaded.set(named.name, { named, certificate: named.files, trust: named.files });
        if (named.role === 'bridge') report(named, true);
      }
    },
    /** Somebody sends it SIGHUP while this lies there. */
    hangUp(files: FilesObservation) {
      if (simulated.signal === 'does nothing') return;
      for (const named of files.sets ?? []) {
        const before = loaded.get(named.name);
        if (before === undefined || named.files.kind !== 'complete') continue;
        if (named.role === 'listener') before.certificate = named.files;
        else if (named.reloadsAtOnce && simulated.isMoved) void reconnect(named, named.files);
      }
    },
    /** The sets that differ from what lies there in something that no signal brings. */
    beyondSignals({ sets = [] }: FilesObservation): readonly string[] {
      const differing = sets.filter((named) => !simulated.has(named) && !isBySignal(named));
      return differing.map(({ name }) => name);
    },
    /** Whether it runs with exactly this set. */
    has({ name, files }: NamedSet): boolean {
      const now = loaded.get(name);
      if (files.kind !== 'complete' || now === undefined) return false;
      return (
        now.certificate.fingerprint === files.fingerprint &&
        now.trust.trust === files.trust &&
        now.trust.revocation?.sha256 === files.revocation?.sha256
      );
    },
    look({ port }: HostPort, isUp: boolean): Presented {
      simulated.looks += 1;
      const other = simulated.others.get(port);
      if (other !== undefined)
        return { ok: true, leaf: other, subject: 'CN=other.example.com', notAfterMs: Number.NaN };
      const [leaf] = [...loaded.values()].flatMap(({ named, certificate }) =>
        named.listensAt?.port === port ? [certificate.leaf] : [],
      );
      if (!isUp || leaf === undefined || simulated.unreachable.has(port))
        return { ok: false, problem: 'presents no certificate: ECONNREFUSED' };
      return { ok: true, leaf: leaf.sha256, subject: leaf.subject, notAfterMs: leaf.notAfterMs };
    },
    sight(): BridgeSight {
      if (!simulated.areBridgesHeard) return { ok: false, problem: 'it refuses the login', hint: 'look' };
      const all = [...bridges.values(), ...simulated.strangers];
      const lastLive = Math.max(0, ...all.flatMap(({ fellAt, roseAt }) => [fellAt, roseAt]));
      return fix.sight(all, { messages, lastLive });
    },
    /** The broker reports nothing of that bridge any more. */
    forget(connection: string) {
      bridges.delete(connection);
      onBridges();
    },
    /** Any client says that of a bridge. */
    say(connection: string, up: boolean) {
      messages += 1;
      const before = bridges.get(connection) ?? fix.bridge({ connection });
      bridges.set(connection, {
        ...before,
        up,
        changes: before.changes + (before.up === up ? 0 : 1),
        ...(up ? { roseAt: messages } : { fellAt: messages }),
      });
      onBridges();
    },
  };

  function isBySignal({ name, role, files, reloadsAtOnce }: NamedSet): boolean {
    if (role === 'bridge') return reloadsAtOnce;
    const now = loaded.get(name);
    if (files.kind !== 'complete' || now === undefined) return false;
    const isSameTrust =
      now.trust.trust === files.trust && now.trust.revocation?.sha256 === files.revocation?.sha256;
    return isSameTrust && now.certificate.leaf.sha256 !== files.leaf.sha256;
  }

  function report({ reportedAs }: NamedSet, up: boolean) {
    if (reportedAs === undefined) return;
    simulated.say(reportedAs.isWhole ? reportedAs.name : `edge.${reportedAs.name}`, up);
  }

  async function reconnect(named: NamedSet, files: CertificateSet) {
    const begun = starts;
    report(named, false);
    await clock.sleep(BACK_OFF_MS, never);
    const before = loaded.get(named.name);
    if (begun !== starts || before === undefined) return;
    before.certificate = files;
    before.trust = files;
    report(named, true);
  }

  return simulated;
}
