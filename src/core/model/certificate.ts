/** What the core knows of an X.509 certificate: plain values, extracted by an adapter. */

export interface Certificate {
  /** distinguished name as in RFC 4514, most specific part first: `CN=client.example.com,O=Example` */
  readonly subject: string;
  readonly issuer: string;
  /** milliseconds since the epoch */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** basicConstraints allows this certificate to sign others */
  readonly isCa: boolean;
  /** extendedKeyUsage does not forbid a client to present it (RFC 5280, 4.2.1.12) */
  readonly mayBeClient: boolean;
  /** over its DER form, in hex */
  readonly sha256: string;
  /** equal for two certificates of the same name and public key: either one, if valid, serves for both */
  readonly sameAs: string;
}

const DAY_MS = 86_400_000;

/** Whole days until `notAfter`, rounded down: 0 on the last day, negative once expired. */
export function daysRemaining({ notAfterMs }: Pick<Certificate, 'notAfterMs'>, nowMs: number): number {
  return Math.floor((notAfterMs - nowMs) / DAY_MS);
}

/**
 * Wall-clock milliseconds from which a certificate counts as expiring: `warnDays` before its end, but never before two
 * thirds of its lifetime have passed, because a one-day certificate is renewed daily.
 */
export function expiringFrom(
  { notBeforeMs, notAfterMs }: Pick<Certificate, 'notBeforeMs' | 'notAfterMs'>,
  warnDays: number,
): number {
  const twoThirdsMs = Math.ceil(notBeforeMs + ((notAfterMs - notBeforeMs) * 2) / 3);
  return Math.max(notAfterMs - warnDays * DAY_MS, twoThirdsMs);
}

/** Certificates by their end dates: each at most once, the one that ends first in front. */
export interface Ends {
  /** those that have not expired */
  readonly ahead: readonly Certificate[];
  /** those that have expired, the latest in front */
  readonly past: readonly Certificate[];
}

/**
 * When `certificates` end, without those that another one replaces: a certificate of the same name and key that is
 * valid and ends later, among them or among `others`, serves in its place (a cross certificate next to the root that it
 * replaces).
 */
export function endsOf(
  certificates: readonly Certificate[],
  others: readonly Certificate[],
  nowMs: number,
): Ends {
  const latest = new Map<string, number>();
  for (const { sameAs, notBeforeMs, notAfterMs } of [...certificates, ...others]) {
    if (notBeforeMs <= nowMs) latest.set(sameAs, Math.max(notAfterMs, latest.get(sameAs) ?? notAfterMs));
  }
  const counted = certificates.filter(
    ({ sameAs, notAfterMs }) => notAfterMs >= (latest.get(sameAs) ?? notAfterMs),
  );
  return {
    ahead: counted
      .filter(({ notAfterMs }) => notAfterMs > nowMs)
      .toSorted((a, b) => a.notAfterMs - b.notAfterMs),
    past: counted
      .filter(({ notAfterMs }) => notAfterMs <= nowMs)
      .toSorted((a, b) => b.notAfterMs - a.notAfterMs),
  };
}
