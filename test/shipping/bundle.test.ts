/**
 * What the scripts of the executable hold: the runtime keeps all of a script in memory for as long as it runs, so one holds
 * what every command needs, another what every watcher needs, and a chunk what a command or a setting asks for.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Bundle, bundle, MAIN, WATCH_SCRIPT } from '../../scripts/shipping/bundle.ts';
import { ROOT } from '../../scripts/shipping/paths.ts';

/** What is loaded when the program is, or when a part of it is used for the first time. */
const BUILTINS = [
  'buffer',
  // only under systemd
  'child_process',
  'crypto',
  'dns/promises',
  'events',
  'fs',
  // only with INCOMING_DIR
  'fs/promises',
  'http',
  // only for a notification or heartbeat over TLS
  'https',
  'net',
  'os',
  'path',
  'sea',
  'timers/promises',
  'tls',
  'util',
  'v8',
];

/** What a watcher does without that has no more than the settings that it must have, by the beginning of the path. */
const ONLY_IF_ASKED_FOR = [
  // what reads settings, and every command but run
  'src/config/',
  'src/cli/arguments.ts',
  'src/cli/check',
  'src/cli/commands.ts',
  'src/cli/fleet',
  'src/cli/healthcheck.ts',
  'src/cli/help.ts',
  'src/cli/notify-test.ts',
  'src/cli/probe.ts',
  'src/cli/socket-policy.ts',
  'src/cli/unit-policy.ts',
  'src/surfaces/terminal/',
  // ENABLE_METRICS
  'node_modules/@prometheus-io/',
  'src/surfaces/web/',
  'src/system/bcrypt.ts',
  // TLS_PROBE_MODE=mqtt
  'node_modules/mqtt-packet/',
  'src/adapters/tls-probe/mqtt.ts',
  'src/system/mqtt',
  // DOCKER_HOST with TLS
  'src/adapters/engine/tls.ts',
  // MOSQUITTO_SERVICE
  'src/adapters/engine/service.ts',
  'src/rollout/service-update.ts',
  // BROKER_URL
  'src/adapters/broker-listener/',
  'src/rollout/signal.ts',
  'src/wiring/listeners.ts',
  // INCOMING_DIR
  'src/adapters/live-directory/',
  // MOSQUITTO_UNIT, and a watcher that is a unit itself
  'src/adapters/systemd/',
  'src/surfaces/service-manager.ts',
  'src/wiring/service-manager.ts',
  // MOSQUITTO_CONF, CERT_ROLE
  'src/adapters/broker-conf.ts',
  'src/adapters/crl-file.ts',
  'src/core/text/mosquitto-conf.ts',
  'src/rollout/listener-proof.ts',
  'src/rollout/sets.ts',
  'src/system/crl.ts',
  'src/wiring/named-sets.ts',
  // BROKER_USER
  'src/adapters/broker-access.ts',
  // NOTIFY_URL, HEARTBEAT_URL
  'src/adapters/notified-file.ts',
  'src/adapters/webhook/',
  'src/surfaces/notify/',
  'src/wiring/notify.ts',
  // STATUS_TOPIC
  'src/adapters/fleet/',
  'src/surfaces/mqtt/',
  'src/wiring/status-topic.ts',
];

let made: Bundle;
/** every script, by its name */
let scripts: ReadonlyMap<string, string>;

beforeAll(async () => {
  made = await bundle({ version: '0.0.0', commit: undefined, epochS: 0, source: undefined });
  const files: [string, Uint8Array][] = [[MAIN, made.code], ...made.chunks];
  scripts = new Map(files.map(([name, code]) => [name, Buffer.from(code).toString('utf8')]));
});

/** The places of what is found in any script. */
function places(pattern: RegExp): string[] {
  return [...scripts].flatMap(([name, code]) =>
    [...code.matchAll(pattern)].map(({ index }) => `${name}: ${code.slice(index - 40, index + 10)}`),
  );
}

describe('the scripts', () => {
  test('are ASCII: one other sign, and V8 keeps two bytes for each', () => {
    expect(places(/\P{ASCII}/gu)).toEqual([]);
  });

  test('ask the runtime for nothing that is not used', () => {
    const asked = [...scripts.values()].flatMap((code) =>
      [...code.matchAll(/\b(?:require|import)\("(?:node:)?([^."][^"]*)"\)/g)].map(([, name]) => name),
    );
    expect([...new Set(asked)].toSorted().filter((name) => !BUILTINS.includes(name ?? ''))).toEqual([]);
  });

  test('ask for no script that is not there', () => {
    const asked = [...scripts.values()].flatMap((code) =>
      [...code.matchAll(/\brequire\("(\.[^"]*)"\)/g)].map(([, name = '']) => name),
    );
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.filter((name) => !scripts.has(name))).toEqual([]);
  });

  test('hold of the Prometheus client what counts and exposes, and of MQTT what writes', () => {
    expect(made.packages).toEqual([
      'node_modules/@prometheus-io/client',
      'node_modules/mqtt-packet',
      'node_modules/process-nextick-args',
      'node_modules/valibot',
    ]);
    expect(places(/class (?:Pushgateway|ClusterRegistry|WorkerRegistry|Summary)\b/g)).toEqual([]);
  });

  test('hold no expression that is made at the start because of the properties of its signs', () => {
    expect(places(/RegExp\("[^"]*\\p\{/g)).toEqual([]);
  });

  test('hold each module once, so that nothing that a module remembers exists twice', () => {
    const modules = [...made.modules.values()].flat();
    expect(modules.length).toBeGreaterThan(200);
    expect(modules.filter((module, index) => modules.indexOf(module) !== index)).toEqual([]);
  });

  test('export no variable that changes: a chunk copies what it imports from the main script', async () => {
    const names = await readdir(join(ROOT, 'src'), { recursive: true });
    const texts = await Promise.all(
      names.filter((name) => name.endsWith('.ts')).map((name) => readFile(join(ROOT, 'src', name), 'utf8')),
    );
    expect(texts.filter((text) => /^export (?:let|var) /m.test(text))).toEqual([]);
  });
});

/** What a chunk asks for when it is run: itself, and the chunks that it shares with others. */
function withShared(name: string): string[] {
  const shared = [...(scripts.get(name) ?? '').matchAll(/\brequire\("(\.\/chunk-[^"]*)"\)/g)];
  return [name, ...shared.map(([, chunk = '']) => chunk)];
}

describe('what every watcher runs', () => {
  const every = () => [...(made.modules.get(MAIN) ?? []), ...(made.modules.get(WATCH_SCRIPT) ?? [])];

  test('holds nothing that only a setting or a command asks for', () => {
    expect(every()).toContain('src/watcher/watcher.ts');
    expect(every().filter((module) => ONLY_IF_ASKED_FOR.some((path) => module.startsWith(path)))).toEqual([]);
  });

  test('is compared with a list of which every name is that of a module', () => {
    const all = [...made.modules.values()].flat();
    expect(ONLY_IF_ASKED_FOR.filter((path) => !all.some((module) => module.startsWith(path)))).toEqual([]);
  });
});

describe('what comes before the first line', () => {
  const early = () => [MAIN, ...withShared('./cli-invocation.js')];

  test('asks for nothing of what watches', () => {
    const first = made.modules.get(MAIN)?.length ?? 0;
    const asked = [...early(), ...withShared('./cli-healthcheck.js')].flatMap((name) =>
      [...(scripts.get(name) ?? '').matchAll(/\bshared\((\d+),/g)].map(([, place]) => Number(place)),
    );
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.filter((place) => place >= first)).toEqual([]);
  });

  test('waits for none of the large parts of the runtime', () => {
    const asked = early().filter((name) =>
      /\brequire\("node:(?:crypto|tls|https?)"\)/.test(scripts.get(name) ?? ''),
    );
    expect(asked).toEqual([]);
  });
});
