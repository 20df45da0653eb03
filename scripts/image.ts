/**
 * Makes images: of the targets named on the command line, or of the machine at hand. With `--rootfs` it only lays
 * out in dist/rootfs-<architecture> what they are made of.
 */

import { relative } from 'node:path';
import { bundle } from './shipping/bundle.ts';
import { readIdentity } from './shipping/identity.ts';
import { makeImage } from './shipping/image.ts';
import { noticesFor } from './shipping/notices.ts';
import { ROOT } from './shipping/paths.ts';
import { buildProgram } from './shipping/program.ts';
import { makeRootfs } from './shipping/rootfs.ts';
import { runtimeFor } from './shipping/runtime.ts';
import { hostTarget, targetNamed } from './shipping/target.ts';
import { runScript, tell } from './shipping/tell.ts';

await runScript('image', async () => {
  const words = process.argv.slice(2);
  const names = words.filter((word) => word !== '--rootfs');
  const targets = names.length === 0 ? [hostTarget()] : names.map(targetNamed);
  const identity = await readIdentity();
  for (const target of targets) {
    const program = await buildProgram(target, identity);
    const notices = await noticesFor(await bundle(identity), await runtimeFor(target));
    tell(relative(ROOT, await makeRootfs({ target, program, notices, epochS: identity.epochS })));
    if (words.includes('--rootfs')) continue;
    for (const tag of await makeImage(target, identity)) tell(tag);
  }
});
