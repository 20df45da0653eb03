/** The verdict of one upstream TLS probe, as a value. */

/** Every way in which a probe fails; exactly one per failure. */
export const PROBE_CAUSES = [
  'local_file',
  'client_key_mismatch',
  'client_cert_expired',
  'dns',
  'tcp',
  'timeout',
  'protocol',
  'sni_rejected',
  'server_cert_expired',
  'server_cert_untrusted',
  'server_name_mismatch',
  'client_cert_rejected',
  'closed_after_handshake',
  'mqtt_refused',
] as const;
export type ProbeCause = (typeof PROBE_CAUSES)[number];

/** The phases of a probe in order; a failure names the one in which it ended. */
export const PROBE_PHASES = ['files', 'dns', 'tcp', 'tls', 'settle', 'mqtt'] as const;
export type ProbePhase = (typeof PROBE_PHASES)[number];

/** What the probe observed, as far as it got. */
export interface ProbeSighting {
  /** address and port of the last attempt: `192.0.2.7:8883`, `[2001:db8::7]:8883` */
  readonly address?: string;
  /** `TLSv1.2` or `TLSv1.3` */
  readonly protocol?: string;
  /** OpenSSL's name of the cipher suite */
  readonly cipher?: string;
  readonly server?: {
    readonly subject: string;
    readonly issuer: string;
    readonly notAfterMs: number;
    readonly daysRemaining: number;
  };
  readonly durationMs: number;
  /** the verdict on each of several sets, by its name; that on all of them then says only that they were probed */
  readonly sets?: Readonly<Record<string, ProbeVerdict>>;
  /** where one bridge has several addresses: the verdict at each, in their order; this one is that of one of them */
  readonly addresses?: readonly AddressVerdict[];
  /** milliseconds spent in each phase that was entered */
  readonly phaseMs: Readonly<Partial<Record<ProbePhase, number>>>;
}

export interface ProbeSuccess extends ProbeSighting {
  readonly ok: true;
  /**
   * `connack`: the broker has accepted the login. `settled`: nobody objected for long enough. `pair`: nobody was asked,
   * key and certificate belong together.
   */
  readonly proof: 'settled' | 'connack' | 'pair';
}

export interface ProbeFailure extends ProbeSighting {
  readonly ok: false;
  readonly cause: ProbeCause;
  readonly phase: ProbePhase;
  /** one line for the operator: what to try */
  readonly hint: string;
  /** the original error in one line, without advice from the runtime and without key material */
  readonly error: string;
  /** path of the file at fault, for local causes */
  readonly file?: string;
  /** local_file only: this user may not read the private key, so it was not judged */
  readonly keyUnreadable?: true;
}

export type ProbeVerdict = ProbeSuccess | ProbeFailure;

export interface AddressVerdict {
  /** as configured: `broker.example.com:8883` */
  readonly upstream: string;
  readonly verdict: ProbeVerdict;
}

/**
 * One verdict on several addresses of one bridge, which needs only one of them: the first that accepts the set. If none
 * does, a proven refusal says more than an address that is down; otherwise it is the first one.
 */
export function verdictAt(addresses: readonly AddressVerdict[]): ProbeVerdict | undefined {
  const [first, ...others] = addresses.map(({ verdict }) => verdict);
  if (first === undefined || others.length === 0) return first;
  const deciding =
    [first, ...others].find(({ ok }) => ok) ??
    others.find((verdict) => !verdict.ok && verdict.cause === 'client_cert_rejected') ??
    first;
  return { ...deciding, addresses };
}

/** Which probe failures hold a restart (`TLS_PROBE_GATE`). */
export type ProbeGate = 'off' | 'rejected' | 'any';

/**
 * Whether the set itself cannot work, whatever the upstream says: its key is broken or belongs to another certificate.
 * A key that the watcher may not read is no proof: the broker may be able to read it.
 */
export function setCannotWork(verdict: ProbeVerdict): verdict is ProbeFailure {
  if (verdict.ok) return false;
  if (verdict.cause === 'client_key_mismatch') return true;
  return verdict.cause === 'local_file' && verdict.keyUnreadable !== true;
}

/**
 * The proof that the upstream refuses this set, after one more verdict on it. Acceptance disproves it, even if only the
 * login is refused; a failure before that proves nothing.
 */
export function standingRejection(
  before: ProbeFailure | undefined,
  verdict: ProbeVerdict,
): ProbeFailure | undefined {
  if (verdict.ok || verdict.cause === 'mqtt_refused') return undefined;
  return verdict.cause === 'client_cert_rejected' ? verdict : before;
}

/**
 * The failure for which the gate holds a restart. With a gate for proven refusals, the hold continues while the
 * upstream cannot be reached. An unreadable key holds nothing at any gate.
 */
export function holdOf(
  gate: ProbeGate,
  {
    verdict,
    rejection,
  }: { readonly verdict: ProbeVerdict | undefined; readonly rejection: ProbeFailure | undefined },
): ProbeFailure | undefined {
  if (gate === 'off') return undefined;
  if (gate === 'rejected') return rejection;
  return verdict?.ok === false && verdict.keyUnreadable !== true ? verdict : rejection;
}

/** What a failed probe means, in one sentence without the original error. */
export function probeSentence({ cause, keyUnreadable }: ProbeFailure, isUpstreamAsked = true): string {
  if (keyUnreadable !== true) return PROBE_SENTENCES[cause];
  const loss = isUpstreamAsked ? 'the upstream cannot be probed' : 'it is not compared with the certificate';
  return `the watcher may not read the private key, so ${loss}`;
}

const PROBE_SENTENCES: Readonly<Record<ProbeCause, string>> = {
  local_file: 'the certificate files cannot be used for a TLS connection',
  client_key_mismatch: 'private key and client certificate do not belong together',
  client_cert_expired: 'the client certificate has expired',
  dns: 'the name of the upstream cannot be resolved',
  tcp: 'the upstream cannot be reached',
  timeout: 'the upstream does not answer in time',
  protocol: 'the upstream does not speak TLS as it should',
  sni_rejected: 'the upstream does not know the server name that it is asked for',
  server_cert_expired: "the upstream's own certificate is not valid today",
  server_cert_untrusted: "the upstream's certificate is not one that our CA file vouches for",
  server_name_mismatch: "the upstream's certificate is for another name",
  client_cert_rejected: 'the upstream refuses the client certificate',
  closed_after_handshake: 'the upstream closes the connection right after the handshake',
  mqtt_refused: 'the upstream accepts the certificate but refuses the MQTT login',
};

const FILE_CAUSES: ReadonlySet<ProbeCause> = new Set([
  'local_file',
  'client_key_mismatch',
  'client_cert_expired',
]);

/** The fault is in our files; the upstream was not even contacted. */
export function isFileFault({ cause }: ProbeFailure): boolean {
  return FILE_CAUSES.has(cause);
}

/** This set does not work with this upstream, now or later. Any other fault lies in the network or the upstream. */
export function isOurFault(failure: ProbeFailure): boolean {
  return isFileFault(failure) || failure.cause === 'client_cert_rejected';
}
