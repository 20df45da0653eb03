import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { findEngine } from './test/support/find-engine.ts';

/**
 * End-to-end tests that measure no time and, but for a few of their tests, need no engine: they run beside the unit tests,
 * whose processor time fills the time that these wait.
 */
const BESIDE_UNIT_TESTS = [
  'promotion-kill',
  'status-page',
  'demo',
  'shipping-release',
  'shipping-executable',
  'probe-servers',
  'promotion-power-loss',
  'bridge-tls',
  'promotion-rivals',
  'prometheus',
  'status-topic',
  'probe-command',
  'notify',
  'fleet-command',
  'probe-links',
  'engine-podman',
  'podman-states',
  'http',
  'http-guard',
  'surroundings',
  'mosquitto-conf',
  'mosquitto-reload',
  'engine-endpoint',
  'server-names',
  'probe-hints',
  'loaded',
  'certificate-files',
  'mosquitto-options',
  'tested-with',
];

/**
 * Others that measure no time: they may run beside each other. The longest come first, so that none is left to run alone
 * at the end. Not so engine-compose-two-phases, whose containers are called as those of engine-compose.
 */
const SIDE_BY_SIDE = [
  'engine-swarm-managers',
  'shipping-image',
  'engine-compose',
  'systemd-package',
  'systemd-two-phases',
  'systemd-quadlet',
  'engine-rivals',
  'engine-hostile',
  'engine-faults',
  'engine-crash',
  'engine-swarm',
  'systemd-unit',
  'engine-minimum-api',
  'engine-tls',
  'engine-bridge',
  'engine-sets',
  'engine-set-signals',
  'engine-roll',
  'engine-reload',
  'engine-two-phases',
  'engine-outage',
  'engine-bridge-reload',
  'engine-set-bridge-signals',
  'engine-listener',
  'engine-probe',
  'engine-container',
  'engine-acceptance',
  'engine-nonroot',
  'engine-window',
];

/** What depends on the versions of brokers and engines, and so runs in the second world too (`make test-newer`). */
const DEPENDS_ON_VERSIONS = [
  'engine-rotation',
  'engine-broker',
  'engine-reload',
  'engine-listener',
  'engine-sets',
  'engine-set-signals',
  'engine-bridge',
  'engine-two-phases',
  'engine-swarm',
  'engine-roll',
  'engine-outage',
  'engine-podman',
  'podman-states',
  'engine-states',
  'engine-nonroot',
  'engine-tls',
  'probe-servers',
  'server-names',
  'probe-hints',
  'shipping-image',
  'shipping-image-on-time',
  'mosquitto-reload',
  'mosquitto-conf',
  'mosquitto-options',
  'bridge-tls',
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
  'engine-set-bridge-signals',
  'engine-minimum-api',
];

/** Of the unit tests, those that take more than a few seconds. */
const LONG_UNIT_TESTS = [
  'test/model/histories.test.ts',
  'test/adapters/tls-probe/probe.test.ts',
  'test/adapters/broker-listener/bridges.test.ts',
  'test/fuzz/outside-data.test.ts',
  'test/adapters/state-file.test.ts',
  'test/scenarios/service.test.ts',
  'test/model/two-phases.test.ts',
  'test/model/rivals.test.ts',
  'test/model/years.test.ts',
  'test/surfaces/web/guard/guard.test.ts',
  'test/fuzz/pem.test.ts',
];

const isSecondWorld = process.env['SECOND_WORLD'] === '1';
const files = (names: readonly string[]) => names.map((name) => `test/e2e/${name}.test.ts`);
const isHere = (name: string) =>
  isSecondWorld
    ? DEPENDS_ON_VERSIONS.includes(name) || SECOND_WORLD_ONLY.includes(name)
    : !SECOND_WORLD_ONLY.includes(name);

/** Where nearly every file that needs an engine is skipped, loading everything again for each takes longer than the rest. */
const WITH_ENGINE = { isolate: (await findEngine()) !== undefined };

/** Every wait of an end-to-end test has a deadline of its own: these end what hangs otherwise, also on a slow machine. */
const LIMITS = { testTimeout: 300_000, hookTimeout: 300_000 };

const LONGEST_FIRST = [...files(BESIDE_UNIT_TESTS), ...LONG_UNIT_TESTS, ...files(SIDE_BY_SIDE)];

/** Most of the longest wait for real sockets, real time or other programs. */
const BESIDE_EACH_OTHER = { maxWorkers: availableParallelism() + 2, sequence: { groupOrder: 0 } };

/** The order of the lists above; what stands in none of them comes after that, the largest files first. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rankOf(one) - rankOf(other));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST_FIRST.findIndex((path) => moduleId.endsWith(path));
  return rank === -1 ? LONGEST_FIRST.length : rank;
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/support/tally-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          // of these only what asks a program of that world: Compose
          include: isSecondWorld ? ['test/deploy.test.ts'] : ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          // a day on the fake clock takes a second or two, and many times that where the machine is busy with other things
          testTimeout: 120_000,
          ...BESIDE_EACH_OTHER,
          // each file undoes what it does to the process; loading everything again for each is a quarter of the time
          isolate: false,
        },
      },
      {
        test: {
          name: 'e2e-beside-unit',
          include: files(BESIDE_UNIT_TESTS.filter(isHere)),
          ...LIMITS,
          ...BESIDE_EACH_OTHER,
        },
      },
      {
        test: {
          name: 'e2e-side-by-side',
          include: files(SIDE_BY_SIDE.filter(isHere)),
          ...LIMITS,
          ...WITH_ENGINE,
          // they wait, most of the time
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: isSecondWorld
            ? files([...DEPENDS_ON_VERSIONS, ...SECOND_WORLD_ONLY])
            : ['test/e2e/**/*.test.ts'],
          exclude: files([
            ...BESIDE_UNIT_TESTS,
            ...SIDE_BY_SIDE,
            ...(isSecondWorld ? [] : SECOND_WORLD_ONLY),
          ]),
          ...LIMITS,
          ...WITH_ENGINE,
          // real engines, real time: one file at a time, after everything else
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
