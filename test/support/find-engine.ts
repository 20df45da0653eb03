/** Which engine the end-to-end tests use. */

import { answersPing } from '../../lab/engine-api.ts';

/** The socket of a Docker Engine, from E2E_DOCKER_SOCK, DOCKER_HOST or the usual place, if it answers. */
export async function findEngine(): Promise<string | undefined> {
  const { E2E_DOCKER_SOCK: own, DOCKER_HOST: host } = process.env;
  const candidates = [own, /^unix:\/\/(\/.+)$/.exec(host ?? '')?.[1], '/var/run/docker.sock'];
  for (const path of candidates) {
    if (path !== undefined && path !== '' && (await answersPing(path))) return path;
  }
  return undefined;
}
