/** Which sets a configuration names, and what in it makes proof impossible. */

import { type BrokerConf, type ConfBridge, type ConfListener, isEncrypted } from '../model/broker-conf.ts';
import type { ConfFinding, SetSource } from '../model/named-set.ts';

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
  const { certfile, keyfile, cafile, capath } = bridge;
  const say = (problem: string, hint: string): ConfFinding => ({ about, problem, hint });
  const found = { name: about, role: 'bridge', listensAt: undefined, ...movedBySignal(bridge) } as const;
  const findings = [
    ...(bridge.notifications
      ? []
      : [
          say(
            'has "notifications false": it says nothing of its state, so nothing shows whether it came back',
            'take that line out, or set notifications_local_only true',
          ),
        ]),
    ...(bridge.insecure
      ? [
          say(
            'has "bridge_insecure true": the name in the certificate of its upstream is not verified, and so it is in the probe',
            'take that line out, and give the upstream a certificate for its name',
          ),
        ]
      : []),
  ];
  if (certfile === undefined || keyfile === undefined || bridge.usesSharedKey) return { findings };
  if (!isEncrypted(bridge)) {
    const lost = say(
      'has a certificate and no bridge_cafile: it connects without TLS',
      'name the CA of the upstream in bridge_cafile',
    );
    return { findings: [...findings, lost] };
  }
  if (isInEngine(keyfile)) return { findings: [...findings, say(...ENGINE)] };
  if (cafile === undefined) {
    const text =
      capath === undefined
        ? 'trusts the authorities of its system'
        : 'has its CA certificates in bridge_capath';
    const lost = say(`${text}: its upstream is not probed`, 'name them in bridge_cafile');
    return {
      findings: [...findings, lost],
      set: {
        ...pathsOf(bridge, ours),
        ...found,
        upstreams: [],
        alpn: bridge.alpn,
        insecure: bridge.insecure,
      },
    };
  }
  return {
    findings,
    set: {
      ...pathsOf(bridge, ours),
      ...found,
      upstreams: bridge.addresses,
      alpn: bridge.alpn,
      insecure: bridge.insecure,
    },
  };
}

/** Whether a signal makes it connect again, and by what name the broker then reports that. */
function movedBySignal({ name, reloadsAtOnce, remoteClientId, notifications }: ConfBridge) {
  const reportedAs = { name: remoteClientId ?? name, isWhole: remoteClientId !== undefined };
  return { reloadsAtOnce, reportedAs: notifications ? reportedAs : undefined };
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
    const [problem, hint] = ENGINE;
    return { findings: [{ about, problem, hint }] };
  }
  return {
    findings: [],
    set: {
      ...pathsOf(listener, ours),
      crlFile: listener.crlfile === undefined ? undefined : ours(listener.crlfile),
      name: about,
      role: 'listener',
      reloadsAtOnce: false,
      reportedAs: undefined,
      upstreams: [],
      listensAt: addressOf(listener, host),
      alpn: undefined,
      insecure: false,
    },
  };
}

const ENGINE = [
  'has its key in an engine: it is not judged',
  'have its certificate looked after by whoever looks after the key',
] as const;

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
