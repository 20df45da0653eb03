/** How these scripts speak: one line a fact on stdout, one line a fault on stderr. */

/** Says one line. */
export function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs a script to its end; a failure is told without a stack trace. */
export async function runScript(name: string, main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
