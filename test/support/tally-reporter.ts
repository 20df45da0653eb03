/** Ends a test run with one plain line, `N passed, N failed, N skipped`, and forbids skipping where told. */

import type { Reporter, TestModule } from 'vitest/node';

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      if (module.state() === 'failed' && module.errors().length > 0) count.failed += 1;
      for (const test of module.children.allTests()) count[test.result().state] += 1;
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
      process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${skipped} skipped\n`);
      if (isForbidden) process.exitCode = 1;
    });
  }
}
