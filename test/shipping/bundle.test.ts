/** What the one script of the executable holds, because the runtime keeps all of it in memory for as long as it runs. */

import { beforeAll, describe, expect, test } from 'vitest';
import { bundle } from '../../scripts/shipping/bundle.ts';

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
];

let code = '';
let packages: readonly string[] = [];

beforeAll(async () => {
  const made = await bundle({ version: '0.0.0', commit: undefined, epochS: 0, source: undefined });
  code = Buffer.from(made.code).toString('utf8');
  ({ packages } = made);
});

describe('the bundle', () => {
  test('is ASCII: one other sign, and V8 keeps two bytes for each', () => {
    const others = [...code.matchAll(/\P{ASCII}/gu)].map(({ index }) => code.slice(index - 40, index + 10));
    expect(others).toEqual([]);
  });

  test('asks the runtime for nothing that is not used', () => {
    const asked = [...code.matchAll(/\b(?:require|import)\("(?:node:)?([^"]+)"\)/g)].map(([, name]) => name);
    expect([...new Set(asked)].toSorted().filter((name) => !BUILTINS.includes(name ?? ''))).toEqual([]);
  });

  test('holds of the Prometheus client what counts and exposes, and of MQTT what writes', () => {
    expect(packages).toEqual([
      'node_modules/@prometheus-io/client',
      'node_modules/mqtt-packet',
      'node_modules/process-nextick-args',
      'node_modules/valibot',
    ]);
    expect(code).not.toMatch(/class (?:Pushgateway|ClusterRegistry|WorkerRegistry|Summary)\b/);
  });

  test('holds no expression that is made at the start because of the properties of its signs', () => {
    expect(code).not.toMatch(/RegExp\("[^"]*\\p\{/);
  });
});
