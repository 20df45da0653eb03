/** What a `mosquitto.conf` says about the certificates of its broker: plain values, read by an adapter. */

import type { HostPort } from './settings.ts';

/** A place in the configuration. */
export interface ConfPlace {
  readonly path: string;
  /** counted from 1 */
  readonly line: number;
}

/** One `connection`. Paths are the broker's own. */
export interface ConfBridge {
  readonly name: string;
  readonly at: ConfPlace;
  readonly addresses: readonly HostPort[];
  readonly cafile: string | undefined;
  readonly capath: string | undefined;
  readonly certfile: string | undefined;
  readonly keyfile: string | undefined;
  readonly alpn: string | undefined;
  readonly tlsVersion: string | undefined;
  /** the upstream's certificate is verified, but not its name */
  readonly insecure: boolean;
  /** the authorities of its system count too (2.1) */
  readonly usesSystemAuthorities: boolean;
  /** it speaks TLS with a shared key instead of certificates */
  readonly usesSharedKey: boolean;
  readonly notifications: boolean;
  readonly notificationsLocalOnly: boolean;
  /** a signal makes it connect again (2.1) */
  readonly reloadsAtOnce: boolean;
  readonly remoteClientId: string | undefined;
  /** `automatic`, `lazy`, `once` or `manual` */
  readonly startType: string;
}

/** One `listener`, or the default one. */
export interface ConfListener {
  readonly at: ConfPlace;
  /** 0: a Unix socket */
  readonly port: number;
  /** what it is bound to, or the path of its Unix socket; undefined: every address */
  readonly host: string | undefined;
  readonly certfile: string | undefined;
  readonly keyfile: string | undefined;
  readonly cafile: string | undefined;
  readonly capath: string | undefined;
  readonly crlfile: string | undefined;
  readonly tlsVersion: string | undefined;
  readonly engine: string | undefined;
  readonly requiresCertificate: boolean;
  readonly usesSharedKey: boolean;
}

export interface BrokerConf {
  readonly bridges: readonly ConfBridge[];
  /** in the order in which the broker opens them */
  readonly listeners: readonly ConfListener[];
}

/** Why a configuration cannot be used, for people: the problem continues its place. */
export interface ConfProblem {
  readonly at: ConfPlace;
  readonly problem: string;
}

export type ConfReading =
  | { readonly ok: true; readonly conf: BrokerConf }
  | { readonly ok: false; readonly problem: ConfProblem };

/** Whether the listener speaks TLS: with a certificate alone, Mosquitto 2.0.11 opens it without, and newer ones stop. */
export function speaksTls({ certfile, keyfile }: ConfListener): boolean {
  return certfile !== undefined && keyfile !== undefined;
}

/** Whether the bridge uses certificates at all: without a CA it connects without TLS, whatever else is set. */
export function isEncrypted({ cafile, capath, usesSystemAuthorities }: ConfBridge): boolean {
  return cafile !== undefined || capath !== undefined || usesSystemAuthorities;
}
