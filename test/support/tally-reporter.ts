/**
 * Ends a test run with why tests were skipped, if any were, and one plain line, `N passed, N failed, N skipped`, which
 * it also adds to the file TALLY_FILE, for who sums several runs. Forbids skipping where told.
 */

import { appendFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const reasons = new Map<string, number>();
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      if (module.state() === 'failed' && module.errors().length > 0) count.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        count[state] += 1;
        if (state !== 'skipped') continue;
        const reason = reasonOf(test);
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
    }
    const skipped = count.skipped + count.pending;
    const isForbidden = skipped > 0 && process.env['FORBID_SKIPS'] === '1';
    if (isForbidden) {
      process.stdout.write(
        '\nskipping is forbidden here (FORBID_SKIPS=1): install what the skipped tests need\n',
      );
      process.exitCode = 1;
    }
    // after everything that other reporters print at the end
    process.once('exit', () => {
      const why = [...reasons].map(([reason, times]) => `${times} skipped: ${reason}\n`);
      const tally = `${count.passed} passed, ${count.failed} failed, ${skipped} skipped\n`;
      process.stdout.write(`\n${why.join('')}${tally}`);
      const { TALLY_FILE: file } = process.env;
      if (file !== undefined) appendFileSync(file, tally);
      if (isForbidden) process.exitCode = 1;
    });
  }
}

/** The title of a test, or of a group that it is in, ends in `[skipped: …]`. */
function reasonOf({ fullName }: TestCase): string {
  return /\[skipped: ([^\]]+)\]/.exec(fullName)?.[1] ?? `its title does not say why (${fullName})`;
}
