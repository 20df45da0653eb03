import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startNameServer } from './name-server.ts';
import { NAME_SPACES } from './needs.ts';
import type { Stage } from './stage.ts';

/** What it takes to give a process a name server of its own. */
export const OWN_RESOLVER = NAME_SPACES;

/**
 * A name server of this machine that hears every question and answers none: when the first one has come, and the
 * command under which a process asks it.
 */
export async function silentResolver(stage: Stage) {
  const { address, asked, close } = await startNameServer();
  stage.onEnd(close);
  const resolvConf = join(stage.directory, 'resolv.conf');
  await writeFile(resolvConf, `nameserver ${address}\n`);
  const withResolver = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  return { asked, wrapper: ['unshare', '--mount', 'sh', '-c', withResolver, resolvConf] };
}
