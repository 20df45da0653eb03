/** A real Mosquitto upstream that demands client certificates, and sets that it accepts and refuses. */

import { type Authority, createAuthority } from '../../lab/certificates.ts';
import { startMosquitto, type UpstreamSetup } from '../../lab/real-servers.ts';
import type { CertificateFiles, Stage } from './stage.ts';

/** Issues the certificates of the upstream, and those that it trusts. */
export const authority = await createAuthority({ cn: 'Upstream CA' });
/** Issues certificates that it refuses. */
export const stranger = await createAuthority({ cn: 'Some Other CA' });
const identity = await authority.issue({ cn: 'upstream', sans: ['127.0.0.1'], key: 'rsa-2048' });

let serial = 0;

/** A set whose client certificate `issuer` has issued; the upstream is verified with its own authority. */
export async function setOf(issuer: Authority): Promise<CertificateFiles> {
  serial += 1;
  const { chainPem, keyPem } = await issuer.issue({ cn: `edge-${serial}` });
  return { ca: authority.certPem, cert: chainPem, key: keyPem };
}

/** An upstream that trusts `authority` unless told. */
export async function upstream(stage: Stage, changes: Partial<UpstreamSetup> = {}) {
  const setup = { identity, trusted: authority.certPem, version: 'TLSv1.3', ...changes } as const;
  const server = await startMosquitto(setup);
  stage.onEnd(server.close);
  return server;
}
