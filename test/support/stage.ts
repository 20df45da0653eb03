/**
 * What one end-to-end test plays with: a certificate directory, brokers in containers, watchers. All of it
 * is its own, is removed when the test ends, and tells its story when the test fails.
 */

import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base } from 'vitest';
import { type Broker, type BrokerOptions, createBroker } from '../../lab/broker.ts';
import { type CertDirectory, createCertDirectory, makeSet } from '../../lab/cert-directory.ts';
import { type Daemon, type DaemonOptions, startDaemon } from '../../lab/daemon.ts';
import { createEngineApi, type EngineApi } from '../../lab/engine-api.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { quietly } from '../../lab/until.ts';
import { engineSocketPath } from './needs.ts';

export type { Broker, BrokerOptions } from '../../lab/broker.ts';
export type { CertificateFiles } from '../../lab/cert-directory.ts';
export { makeSet };

export interface Stage {
  /** a temporary directory that everybody may enter */
  readonly directory: string;
  readonly engine: EngineApi;
  readonly certs: CertDirectory;
  /** A container that runs Mosquitto with a bridge that uses the certificates. */
  broker(options?: BrokerOptions): Promise<Broker>;
  /** A watcher of `broker` with short windows; `settings` win. */
  watch(broker: Broker, settings?: Readonly<Record<string, string>>, options?: DaemonOptions): Daemon;
  /** A watcher with these settings alone. */
  daemon(settings: Readonly<Record<string, string>>, options?: DaemonOptions): Daemon;
  /** To be done when the test ends, last things first. */
  onEnd(undo: () => unknown): void;
}

const WINDOW_MS = 500;

/** The settings of the tests: everything that is waited for is short. */
export const SHORT = {
  ENABLE_TLS_PROBE: 'false',
  STABILITY_WINDOW: `${WINDOW_MS}ms`,
  CHECK_INTERVAL: '100ms',
  RESTART_COOLDOWN: '1s',
  RESTART_VERIFY_TIMEOUT: '8s',
} as const;

/** Cooldown, window and several check intervals of {@link SHORT}: a second restart would have come by now. */
const ANOTHER_RESTART_MS = 1_000 + WINDOW_MS + 500;

/** A test with a stage of its own. */
export const test = base.extend('stage', async ({ onTestFailed }, { onCleanup }) => {
  const directory = await mkdtemp(join(tmpdir(), 'cert-watcher-e2e-'));
  await chmod(directory, 0o755);
  const { stage, story, end } = await createStage(directory);
  onTestFailed(() => void process.stderr.write(`${story()}\n`));
  onCleanup(async () => {
    await end();
    await removeTree(directory);
  });
  return stage;
});

/** A broker that has the present set, a watcher that knows it, and what renews the set. */
export async function watched(
  stage: Stage,
  options: BrokerOptions = {},
  settings: Readonly<Record<string, string>> = {},
) {
  await stage.certs.install(await makeSet());
  const broker = await stage.broker(options);
  const daemon = stage.watch(broker, settings);
  await daemon.says('broker_already_current');
  return { broker, daemon, rotate: async () => stage.certs.install(await makeSet()) };
}

/** A watcher of certificates that are there, and of an engine that is not. */
export async function watchWithoutEngine(stage: Stage, settings: Readonly<Record<string, string>> = {}) {
  await stage.certs.install(await makeSet());
  const base = { ...SHORT, CERT_DIR: stage.certs.path, DOCKER_SOCK: join(stage.directory, 'none.sock') };
  return stage.daemon({ ...base, ...settings });
}

/**
 * How late a watcher that has nobody to restart is with a new set, in milliseconds: from the end of its window of
 * {@link SHORT} until it says what it would do.
 */
export async function latenessOf(stage: Stage, daemon: Daemon): Promise<number> {
  const before = daemon.count('restart_disabled');
  await stage.certs.install(await makeSet());
  const writtenAt = performance.now();
  await daemon.says('restart_disabled', { skip: before });
  return performance.now() - writtenAt - WINDOW_MS;
}

/** Waits until the `nth` restart is verified, and then as long as another one would take to come. */
export async function settled(daemon: Daemon, nth = 1): Promise<void> {
  await daemon.says('restart_completed', { skip: nth - 1 });
  await quietly(ANOTHER_RESTART_MS, 'another restart would have come by now');
}

/** Waits as long as a restart would take to come after a change. */
export async function nothingFollows(): Promise<void> {
  await quietly(ANOTHER_RESTART_MS, 'window, cooldown and several check intervals');
}

async function createStage(directory: string) {
  const undoes: (() => unknown)[] = [];
  const daemons: Daemon[] = [];
  const brokers: Broker[] = [];
  const certs = await createCertDirectory(join(directory, 'certs'));
  let ordinary: EngineApi | undefined;
  const ordinaryEngine = () => {
    ordinary ??= createEngineApi(engineSocketPath());
    return ordinary;
  };

  function daemon(settings: Readonly<Record<string, string>>, options?: DaemonOptions): Daemon {
    const started = startDaemon(settings, options);
    daemons.push(started);
    undoes.push(async () => {
      await started.kill();
      if (started.offences.length > 0)
        throw new Error(`not of the promised shape on standard output: ${started.offences.join('\n')}`);
      if (/PRIVATE KEY/.test(JSON.stringify(started.lines) + started.stderr()))
        throw new Error('key material in the log');
    });
    return started;
  }

  const stage: Stage = {
    directory,
    certs,
    get engine() {
      return ordinaryEngine();
    },
    daemon,
    watch: (broker, settings, options) =>
      daemon(
        {
          ...SHORT,
          CERT_DIR: certs.path,
          MOSQUITTO_CONTAINER: broker.name,
          DOCKER_SOCK: broker.engine.socketPath,
          ...settings,
        },
        options,
      ),
    broker: async (options = {}) => {
      const engine = options.engine ?? ordinaryEngine();
      const broker = await createBroker(engine, directory, { certs, ...options });
      brokers.push(broker);
      undoes.push(async () => {
        broker.events.close();
        await broker.remove();
      });
      await broker.create();
      if (options.started !== false) await broker.start();
      return broker;
    },
    onEnd: (undo) => undoes.push(undo),
  };

  function story(): string {
    const logs = daemons.map(
      (one) =>
        `log of watcher ${one.pid}:\n${one.lines.map((line) => JSON.stringify(line)).join('\n')}\n${one.stderr()}`,
    );
    const events = brokers.map(
      ({ name, events: log }) =>
        `the engine's events about ${name}:\n${log
          .all()
          .map(({ action, atMs }) => `${new Date(atMs).toISOString()} ${action}`)
          .join('\n')}`,
    );
    return [...logs, ...events].join('\n\n');
  }

  /** Everything is undone, also where something before it failed. */
  async function end(): Promise<void> {
    const failures: unknown[] = [];
    for (const undo of undoes.toReversed()) {
      try {
        await undo();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  return { stage, story, end };
}
