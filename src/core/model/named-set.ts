/** What a broker's configuration says of its sets (`MOSQUITTO_CONF`). */

import type { CertRole, HostPort } from './settings.ts';
import type { TlsVersion } from './tls-version.ts';

/** What the configuration says of one set. Paths are the watcher's own. */
export interface SetSource {
  /** `bridge cloud`, `listener 8883` */
  readonly name: string;
  readonly role: CertRole;
  readonly caFile: string | undefined;
  /**
   * A directory of CA certificates, under the names by which OpenSSL finds them. Of a bridge it is part of the set; a
   * listener looks into it at each handshake, so that a change there needs nothing.
   */
  readonly caPath: string | undefined;
  readonly certFile: string;
  readonly keyFile: string;
  /** of a listener: its revocation lists */
  readonly crlFile: string | undefined;
  /** of a bridge: where it connects to, in its order */
  readonly upstreams: readonly HostPort[];
  readonly alpn: string | undefined;
  /** of a bridge: a signal makes it connect again (`bridge_reload_type immediate`) */
  readonly reloadsAtOnce: boolean;
  /** of a bridge: what the broker calls it in its reports; undefined: it reports nothing of it */
  readonly reportedAs: ReportedAs | undefined;
  /** of a listener: where the watcher reaches it; undefined: it has no port */
  readonly listensAt: HostPort | undefined;
  /** the oldest version of TLS that it speaks */
  readonly oldestTls: TlsVersion;
  /** the name in the upstream's certificate is not verified */
  readonly insecure: boolean;
}

/** How a bridge is called in what its broker reports (`$SYS/broker/connection/NAME/state`). */
export interface ReportedAs {
  readonly name: string;
  /** that is the whole of it (`remote_clientid`); otherwise the name of the broker's host and a dot come before it */
  readonly isWhole: boolean;
}

/** Something in the configuration that makes proof impossible. */
export interface ConfFinding {
  /** of the set that it is about, or the place */
  readonly about: string;
  readonly problem: string;
  readonly hint: string;
}

/** How the configuration was read at this look; the sets are those of the last good reading. */
export interface ConfSight {
  readonly path: string;
  /** why it cannot be read now */
  readonly problem:
    | {
        readonly path: string;
        readonly line: number | undefined;
        readonly text: string;
        /** since when, on the monotonic clock; undefined: it never could be read */
        readonly sinceMonoMs: number | undefined;
      }
    | undefined;
  readonly findings: readonly ConfFinding[];
}

/** The problem once it lasts: an editor writes a file in steps, and one that was readable may be broken for a moment. */
export function lastingProblem(
  { problem }: ConfSight,
  nowMonoMs: number,
  stabilityWindowMs: number,
): ConfSight['problem'] {
  const sinceMonoMs = problem?.sinceMonoMs ?? Number.NEGATIVE_INFINITY;
  return nowMonoMs - sinceMonoMs < stabilityWindowMs ? undefined : problem;
}
