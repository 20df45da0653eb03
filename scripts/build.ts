/** Makes the executables in dist/: of the targets named on the command line, or of the machine at hand. */

import { readIdentity } from './shipping/identity.ts';
import { buildHostProgram, buildProgram } from './shipping/program.ts';
import { targetNamed } from './shipping/target.ts';
import { runScript } from './shipping/tell.ts';

await runScript('build', async () => {
  const targets = process.argv.slice(2).map(targetNamed);
  const identity = await readIdentity();
  if (targets.length === 0) await buildHostProgram(identity);
  for (const target of targets) await buildProgram(target, identity);
});
