/** What the core knows of an X.509 certificate: plain values, read off by an adapter. */

export interface Certificate {
  /** distinguished name as in RFC 4514, most specific part first: `CN=client.example.com,O=Example` */
  readonly subject: string;
  readonly issuer: string;
  /** milliseconds since the epoch */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** basicConstraints says that this certificate may sign others */
  readonly isCa: boolean;
  /** of its DER form, in hex */
  readonly sha256: string;
}

const DAY_MS = 86_400_000;

/** Whole days until `notAfter`, rounded down: 0 on the last day, negative once expired. */
export function daysRemaining({ notAfterMs }: Pick<Certificate, 'notAfterMs'>, nowMs: number): number {
  return Math.floor((notAfterMs - nowMs) / DAY_MS);
}

/**
 * The certificate whose dates decide. It stands first in a file in OpenSSL's order; a bundle in another
 * order is recognised by its first certificate being a CA. An empty list has no leaf.
 */
export function leafOf<C extends Certificate>(certificates: readonly C[]): C | undefined {
  return certificates.find((certificate) => !certificate.isCa) ?? certificates[0];
}
