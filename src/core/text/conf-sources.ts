/** Which sets a configuration names, and what in it makes proof impossible. */

import { type BrokerConf, type ConfBridge, type ConfListener, isEncrypted } from '../model/broker-conf.ts';
import type { ConfFinding, SetSource } from '../model/named-set.ts';
import { oldestVersion } from '../model/tls-version.ts';

export interface Sources {
  readonly sets: readonly SetSource[];
  readonly findings: readonly ConfFinding[];
}

/**
 * `ours` is where the watcher sees a path of the broker, `host` where it reaches its listeners; undefined: where they are
 * bound to.
 */
export function sourcesIn(
  { bridges, listeners }: BrokerConf,
  isAmbiguous: boolean,
  ours: (path: string) => string,
  host: string | undefined,
): Sources {
  const found = [
    ...bridges.map((bridge) => ofBridge(bridge, ours)),
    ...listeners.map((listener) => ofListener(listener, nameOf(listener, listeners), ours, host)),
  ];
  const ambiguous = isAmbiguous ? [AMBIGUOUS] : [];
  return {
    sets: found.flatMap(({ set }) => set ?? []),
    findings: [...ambiguous, ...found.flatMap(({ findings }) => findings)],
  };
}

const AMBIGUOUS: ConfFinding = {
  about: 'the configuration',
  problem: 'means different things to Mosquitto 2.0 and 2.1; it is read as 2.1 reads it',
  hint: 'begin with a listener line for each port, before any line that is about it',
};

interface Found {
  readonly set?: SetSource;
  readonly findings: readonly ConfFinding[];
}

function ofBridge(bridge: ConfBridge, ours: (path: string) => string): Found {
  const about = `bridge ${bridge.name}`;
  const { certfile, keyfile } = bridge;
  const findings = thingsOf(bridge).map(([problem, hint]): ConfFinding => ({ about, problem, hint }));
  const isSet = certfile !== undefined && keyfile !== undefined && !bridge.usesSharedKey;
  if (!isSet || !isEncrypted(bridge) || isInEngine(keyfile)) return { findings };
  return {
    findings,
    set: {
      ...pathsOf(bridge, ours),
      caPath: bridge.capath === undefined ? undefined : ours(bridge.capath),
      name: about,
      role: 'bridge',
      listensAt: undefined,
      ...movedBySignal(bridge),
      upstreams: whyNotProbed(bridge) === undefined ? bridge.addresses.slice(0, MOST_ADDRESSES) : [],
      alpn: bridge.alpn,
      oldestTls: oldestVersion(bridge.tlsVersion) ?? 'TLSv1.2',
      insecure: bridge.insecure,
    },
  };
}

/** Whether a signal makes it connect again, and by what name the broker then reports that. */
function movedBySignal({ name, reloadsAtOnce, remoteClientId, notifications }: ConfBridge) {
  const reportedAs = { name: remoteClientId ?? name, isWhole: remoteClientId !== undefined };
  return { reloadsAtOnce, reportedAs: notifications ? reportedAs : undefined };
}

/** More addresses of one bridge are not probed. */
const MOST_ADDRESSES = 16;

/** What is wrong, and what to try. */
type Thing = readonly [problem: string, hint: string];

/** What prevents proof, or keeps the bridge itself from connecting. */
function thingsOf(bridge: ConfBridge): Thing[] {
  const { certfile, keyfile, addresses, tlsVersion } = bridge;
  const things: Thing[] = [];
  if (!bridge.notifications)
    things.push([
      'has "notifications false": it says nothing of its state, so nothing shows whether it came back',
      'take that line out, or set notifications_local_only true',
    ]);
  if (bridge.insecure)
    things.push([
      'has "bridge_insecure true": the name in the certificate of its upstream is not verified, and so it is in the probe',
      'take that line out, and give the upstream a certificate for its name',
    ]);
  if (certfile === undefined || keyfile === undefined || bridge.usesSharedKey) return things;
  if (!isEncrypted(bridge))
    return [
      ...things,
      [
        'has a certificate and no bridge_cafile: it connects without TLS',
        'name the CA of the upstream in bridge_cafile',
      ],
    ];
  if (isInEngine(keyfile)) return [...things, ENGINE];
  const reason = whyNotProbed(bridge);
  if (reason !== undefined) return [...things, reason];
  if (tlsVersion === 'tlsv1.1')
    things.push([
      'has bridge_tls_version tlsv1.1: Mosquitto 2.0 offers TLS 1.2 and 1.3 with it, 2.1 does not know it and never connects',
      'set bridge_tls_version tlsv1.2, which allows both',
    ]);
  if (addresses.length > MOST_ADDRESSES)
    things.push([
      `has ${addresses.length} addresses: the first ${MOST_ADDRESSES} are probed`,
      'leave only those that it needs',
    ]);
  return things;
}

/** Undefined: it is probed. */
function whyNotProbed({ tlsVersion, usesSystemAuthorities }: ConfBridge): Thing | undefined {
  if (oldestVersion(tlsVersion) === undefined)
    return [
      `has bridge_tls_version ${tlsVersion}, which Mosquitto does not know: it never connects`,
      'set bridge_tls_version tlsv1.2 or tlsv1.3, in lower case',
    ];
  if (usesSystemAuthorities)
    return [
      'trusts the authorities of its own system (bridge_tls_use_os_certs), which are not seen from here: its upstream is not probed',
      'name the CA of the upstream in bridge_cafile or bridge_capath, without bridge_tls_use_os_certs',
    ];
  return undefined;
}

function ofListener(
  listener: ConfListener,
  about: string,
  ours: (path: string) => string,
  host: string | undefined,
): Found {
  const { certfile, keyfile, engine } = listener;
  if (certfile === undefined) return { findings: [] };
  if (keyfile === undefined || engine !== undefined || isInEngine(keyfile)) {
    const [problem, hint] = keyfile === undefined ? NO_KEY : ENGINE;
    return { findings: [{ about, problem, hint }] };
  }
  return {
    findings: [],
    set: {
      ...pathsOf(listener, ours),
      caPath: listener.capath === undefined ? undefined : ours(listener.capath),
      crlFile: listener.crlfile === undefined ? undefined : ours(listener.crlfile),
      name: about,
      role: 'listener',
      reloadsAtOnce: false,
      reportedAs: undefined,
      upstreams: [],
      listensAt: addressOf(listener, host),
      alpn: undefined,
      oldestTls: oldestVersion(listener.tlsVersion) ?? 'TLSv1.2',
      insecure: false,
    },
  };
}

const NO_KEY: Thing = [
  'has a certfile and no keyfile: Mosquitto 2.0.11 opens it without TLS, newer ones do not start',
  'name its key in keyfile',
];

const ENGINE: Thing = [
  'has its key in an engine: it is not judged',
  'have whoever manages the engine renew its certificate',
];

/** A listener that is bound to every address is reached on this machine. */
function addressOf({ port, host: bound }: ConfListener, host: string | undefined) {
  if (port === 0) return undefined;
  const isEvery = bound === undefined || bound === '0.0.0.0' || bound === '::';
  return { host: host ?? (isEvery ? '127.0.0.1' : bound), port };
}

function isInEngine(keyfile: string): boolean {
  return keyfile.startsWith('pkcs11:');
}

function pathsOf(
  { cafile, certfile = '', keyfile = '' }: Pick<ConfBridge, 'cafile' | 'certfile' | 'keyfile'>,
  ours: (path: string) => string,
) {
  return {
    crlFile: undefined,
    caFile: cafile === undefined ? undefined : ours(cafile),
    certFile: ours(certfile),
    keyFile: ours(keyfile),
  };
}

/** By its port; where several listeners share that, by the address too. */
function nameOf({ port, host }: ConfListener, all: readonly ConfListener[]): string {
  const isShared = all.filter((other) => other.port === port).length > 1;
  return isShared || port === 0 ? `listener ${port} ${host ?? '*'}` : `listener ${port}`;
}
