/** Makes Debian packages in dist/: of the targets named on the command line, or of both. */

import { bundle } from './shipping/bundle.ts';
import { makeDebianPackage } from './shipping/debian-package.ts';
import { setSituation } from './shipping/file-facts.ts';
import { readIdentity } from './shipping/identity.ts';
import { noticesFor } from './shipping/notices.ts';
import { buildProgram } from './shipping/program.ts';
import { runtimeFor } from './shipping/runtime.ts';
import { TARGET_NAMES, targetNamed } from './shipping/target.ts';
import { runScript, tell } from './shipping/tell.ts';

await runScript('deb', async () => {
  const names = process.argv.slice(2);
  const targets = (names.length === 0 ? TARGET_NAMES : names).map(targetNamed);
  const identity = await readIdentity();
  for (const target of targets) {
    const program = await buildProgram(target, identity);
    const notices = await noticesFor(await bundle(identity), await runtimeFor(target));
    tell(await setSituation(await makeDebianPackage({ target, program, notices, identity })));
  }
});
