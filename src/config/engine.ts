/** Where the engine listens, and how to talk to it: the combination of several settings. */

import { join } from 'node:path';
import type { EngineEndpoint } from '../core/model/settings.ts';

export interface EngineSettings {
  /** from `DOCKER_HOST`, or else `DOCKER_SOCK`; undefined: not acceptable */
  readonly address: EngineEndpoint | undefined;
  readonly tlsVerify: true | undefined;
  readonly certPath: string | undefined;
  /** the user's home directory */
  readonly home: string | undefined;
}

export interface EngineResult {
  /** undefined if there is a problem */
  readonly endpoint: EngineEndpoint | undefined;
  readonly problems: readonly string[];
}

/**
 * The engine at this address, over TLS if `DOCKER_TLS_VERIFY` is set. Combinations that the docker CLI would ignore, or
 * would treat as TLS without verification, are a problem: nobody sets it to get plain HTTP, or an unverified peer.
 */
export function engineOf(settings: EngineSettings): EngineResult {
  const { address, tlsVerify, certPath, home } = settings;
  const problem = (text: string): EngineResult => ({ endpoint: undefined, problems: [text] });
  if (tlsVerify === undefined) {
    if (certPath === undefined) return { endpoint: address, problems: [] };
    return problem(
      'DOCKER_CERT_PATH is set without DOCKER_TLS_VERIFY, so that nothing would be verified; set DOCKER_TLS_VERIFY=1 too, or none of them',
    );
  }
  if (address === undefined) return { endpoint: undefined, problems: [] };
  if (address.kind === 'unix') {
    return problem(
      `DOCKER_TLS_VERIFY is set, and the engine is the unix socket ${address.path}, where there is no TLS; set DOCKER_HOST=tcp://host:2376, or unset DOCKER_TLS_VERIFY`,
    );
  }
  const directory = certPath ?? (home && join(home, '.docker'));
  if (!directory) {
    return problem(
      'DOCKER_CERT_PATH is not set, and there is no HOME; name the directory with ca.pem, cert.pem and key.pem',
    );
  }
  return { endpoint: { ...address, tls: { directory } }, problems: [] };
}
