/** The gauges of certificates: when each begins, when it counts as expiring, and when it ends. */

import { Gauge, type Registry } from '@prometheus-io/client';
import type { CertificateStatus, Snapshot } from '../../core/status/snapshot.ts';
import { visible } from '../../core/text/printable.ts';
import { PREFIX } from './metric-prefix.ts';

/** One series per role, by file and role. */
export function registerCertificateMetrics(registry: Registry, read: () => Snapshot): void {
  const date = (name: string, help: string, dateMs: (certificate: CertificateStatus) => number) =>
    new Gauge({
      name: `${PREFIX}certificate_${name}_timestamp_seconds`,
      help,
      labelNames: ['file', 'role', 'set'],
      registers: [registry],
      collect() {
        this.reset();
        for (const { set, certificate } of measured(read())) {
          const { file, role } = certificate;
          const labels = { file: visible(file), role, ...(set !== undefined && { set: visible(set) }) };
          this.set(labels, dateMs(certificate) / 1_000);
        }
      },
    });
  date('not_before', 'Begin of validity', ({ notBeforeMs }) => notBeforeMs);
  date('not_after', 'End of validity', ({ notAfterMs }) => notAfterMs);
  date(
    'expiring',
    'From when it counts as expiring: EXPIRY_WARN_DAYS before its end, at two thirds of its lifetime at the earliest',
    ({ expiringFromMs }) => expiringFromMs,
  );
}

/**
 * One certificate of each role: an expired CA certificate next to a valid one does not show when the file will fail.
 */
function measured({ cycle }: Snapshot): readonly Measured[] {
  const { sets } = cycle ?? {};
  if (sets === undefined) return onceEach(cycle?.certificates ?? []).map((certificate) => ({ certificate }));
  return sets.flatMap(({ name, certificates }) =>
    onceEach(certificates).map((certificate) => ({ set: name, certificate })),
  );
}

interface Measured {
  /** the name of the set, where there are several */
  readonly set?: string;
  readonly certificate: CertificateStatus;
}

function onceEach(certificates: readonly CertificateStatus[]): readonly CertificateStatus[] {
  return certificates.filter(
    ({ role }, index) => certificates.findIndex((each) => each.role === role) === index,
  );
}
