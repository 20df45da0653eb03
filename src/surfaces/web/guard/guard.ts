/** The guard of the pages: its files, TLS, client certificates and passwords. Loaded only if one is configured. */

import type { Settings } from '../../../core/model/settings.ts';
import { type Answer, text } from '../answer.ts';
import type { Guard, Peer } from '../guard.ts';
import type { Turns } from '../turns.ts';
import { createGuardFiles } from './files.ts';
import { createPasswords } from './passwords.ts';
import { createTlsFront } from './tls.ts';

type GuardSettings = Pick<Settings, 'metricsTls' | 'metricsAuthFile' | 'checkIntervalMs'>;

/** `healthcheck` asks whether the watcher is alive from the same machine, without a secret. */
const OPEN_TO_THIS_MACHINE = new Set(['/healthz', '/-/healthy']);

/** The shortest interval between two looks at the files. */
const CLOSEST_LOOKS_MS = 1_000;

/**
 * The guard that these settings require. Passwords are verified in `turns`; `lookMs` is the time between two looks at
 * the files.
 */
export function createGuard(
  settings: GuardSettings,
  turns: Turns,
  { lookMs = Math.max(settings.checkIntervalMs, CLOSEST_LOOKS_MS) } = {},
): Guard {
  const asksForCertificates = settings.metricsTls?.clientCaFile !== undefined;
  const tls = settings.metricsTls && createTlsFront(asksForCertificates);
  const passwords = settings.metricsAuthFile === undefined ? undefined : createPasswords(turns);
  const files = createGuardFiles({
    settings,
    onServerFiles: ({ options }) => tls?.use(options),
    onUsers: (users) => passwords?.use(users),
    lookMs,
  });

  return {
    summary: {
      tls: tls && true,
      client_certificates: asksForCertificates || undefined,
      passwords: passwords && true,
    },
    tls,
    open: files.open,
    troubles: files.troubles,
    refusalOf(request, peer) {
      if (peer.isLocal && OPEN_TO_THIS_MACHINE.has(request.path)) return undefined;
      const refusal = asksForCertificates ? certificateRefusal(peer) : undefined;
      if (refusal !== undefined) return Promise.resolve(refusal);
      return passwords?.refusalOf(request.authorization, peer.address);
    },
    close() {
      files.close();
      passwords?.close();
    },
  };
}

function certificateRefusal({ tls }: Peer): Answer | undefined {
  if (tls?.authorized === true) return undefined;
  const isPresented = tls !== undefined && Object.keys(tls.getPeerCertificate()).length > 0;
  const why = isPresented ? `yours is refused: ${tls.authorizationError}` : 'none was presented';
  return text(403, `a client certificate is needed here, and ${why}`);
}
