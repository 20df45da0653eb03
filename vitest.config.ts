import { defineConfig } from 'vitest/config';

/** End-to-end tests that measure no time: they may run beside each other. */
const SIDE_BY_SIDE = [
  'status-page',
  'probe-servers',
  'engine-swarm',
  'engine-roll',
  'engine-bridge',
  'engine-reload',
  'prometheus',
  'probe-command',
].map((name) => `test/e2e/${name}.test.ts`);

export default defineConfig({
  test: {
    reporters: ['default', './test/support/tally-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'e2e-side-by-side',
          include: SIDE_BY_SIDE,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: SIDE_BY_SIDE,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // real engines, real time: one file at a time, after everything else
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
