/** An image with a real Mosquitto, made of the one installed on this machine and the libraries that it is linked with. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

/** Where Debian's package puts it. */
export const MOSQUITTO = '/usr/sbin/mosquitto';

/** The program and its libraries as a tar archive, which is all that an image is made of. */
export async function packMosquitto(): Promise<Buffer> {
  if (process.platform !== 'linux' || !existsSync(MOSQUITTO)) {
    throw new Error(
      `DOCKER=1 makes its image from ${MOSQUITTO}, which is not there: install the package mosquitto (apt-get install mosquitto), or run the demo without DOCKER`,
    );
  }
  const run = promisify(execFile);
  const { stdout } = await run('ldd', [MOSQUITTO]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
  const paths = [MOSQUITTO, ...libraries].map((path) => path.slice(1));
  const options = { encoding: 'buffer', maxBuffer: 256 * 1024 * 1024 } as const;
  const archive = await run('tar', ['--create', '--dereference', '--directory=/', ...paths], options);
  return archive.stdout;
}
