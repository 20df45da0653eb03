import { defineConfig } from 'vitest/config';

/**
 * End-to-end tests that measure no time: they may run beside each other. Not so engine-compose-two-phases, whose
 * containers are called as those of engine-compose.
 */
const SIDE_BY_SIDE = [
  'status-page',
  'probe-servers',
  'server-names',
  'probe-hints',
  'engine-rivals',
  'engine-crash',
  'engine-swarm-managers',
  'engine-swarm',
  'engine-roll',
  'engine-bridge',
  'engine-reload',
  'engine-listener',
  'engine-sets',
  'engine-two-phases',
  'promotion-kill',
  'promotion-rivals',
  'promotion-power-loss',
  'engine-bridge-reload',
  'engine-compose',
  'engine-minimum-api',
  'engine-tls',
  'prometheus',
  'probe-command',
  'certificate-files',
  'mosquitto-reload',
  'status-topic',
  'fleet-command',
  'mosquitto-conf',
  'tested-with',
  'systemd-unit',
  'systemd-package',
];

/** What depends on the versions of brokers and engines, and so runs in the second world too (`make test-newer`). */
const DEPENDS_ON_VERSIONS = [
  'engine-rotation',
  'engine-broker',
  'engine-reload',
  'engine-listener',
  'engine-sets',
  'engine-bridge',
  'engine-two-phases',
  'engine-swarm',
  'engine-roll',
  'engine-outage',
  'engine-podman',
  'engine-states',
  'engine-nonroot',
  'engine-tls',
  'probe-servers',
  'server-names',
  'probe-hints',
  'shipping-image',
  'mosquitto-reload',
  'mosquitto-conf',
  'certificate-files',
  'status-topic',
  'engine-status-topic',
  'fleet-command',
  'tested-with',
];

/** What needs programs that only the second world is sure to have: Compose 2, Mosquitto 2.1, an engine with a minimum version. */
const SECOND_WORLD_ONLY = [
  'engine-compose',
  'engine-compose-two-phases',
  'engine-bridge-reload',
  'engine-minimum-api',
];

const isSecondWorld = process.env['SECOND_WORLD'] === '1';
const files = (names: readonly string[]) => names.map((name) => `test/e2e/${name}.test.ts`);
const isHere = (name: string) =>
  isSecondWorld
    ? DEPENDS_ON_VERSIONS.includes(name) || SECOND_WORLD_ONLY.includes(name)
    : !SECOND_WORLD_ONLY.includes(name);

export default defineConfig({
  test: {
    reporters: ['default', './test/support/tally-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          // of these only what asks a program of that world: Compose
          include: isSecondWorld ? ['test/deploy.test.ts'] : ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          // a day on the fake clock takes a second or two of a machine that is not busy with anything else
          testTimeout: 30_000,
          // by default one core is left alone: on a machine with two that is half of it, and this group would run last
          maxWorkers: '100%',
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'e2e-side-by-side',
          include: files(SIDE_BY_SIDE.filter(isHere)),
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: isSecondWorld
            ? files([...DEPENDS_ON_VERSIONS, ...SECOND_WORLD_ONLY])
            : ['test/e2e/**/*.test.ts'],
          exclude: files([...SIDE_BY_SIDE, ...(isSecondWorld ? [] : SECOND_WORLD_ONLY)]),
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // real engines, real time: one file at a time, after everything else
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
