/** At which line each version of Mosquitto stops; test/e2e/mosquitto-options.test.ts asks the one of this machine. */

import { describe, expect, it } from 'vitest';
import { speaksTls } from '../../../src/core/model/broker-conf.ts';
import { DIALECTS, type Dialect } from '../../../src/core/text/conf-scope.ts';
import { readConf, readConfAs } from '../../../src/core/text/mosquitto-conf.ts';

const fileOf = (lines: readonly string[]) => ({ path: 'mosquitto.conf', text: `${lines.join('\n')}\n` });

/** The versions that stop, and at which line. */
function stops(...lines: readonly string[]) {
  const found = DIALECTS.map((dialect) => [dialect, readConfAs(dialect, fileOf(lines), () => [])] as const);
  const places = found.flatMap(([dialect, reading]): [Dialect, number][] =>
    reading.ok ? [] : [[dialect, reading.problem.at.line]],
  );
  return Object.fromEntries(places);
}

const BRIDGE = ['connection one', 'address 127.0.0.1:8883'];
const TLS = ['certfile /a.crt', 'keyfile /a.key'];

describe('a configuration', () => {
  it.each<[what: string, lines: readonly string[], expected: ReturnType<typeof stops>]>([
    ['a number out of range', ['max_packet_size 0'], { '2.0': 1, '2.0.21': 1, '2.1': 1 }],
    ['what is no number', ['max_queued_messages many'], { '2.1': 1 }],
    ['a keepalive that 2.0.11 does not take', ['max_keepalive 0'], { '2.0': 1 }],
    ['a flag that is none', ['persistence yes'], { '2.0': 1, '2.0.21': 1, '2.1': 1 }],
    ['an option of 2.1', ['global_max_clients 1'], { '2.0': 1, '2.0.21': 1 }],
    ['an option of 2.0.21', ['retain_expiry_interval 1'], { '2.0': 1 }],
    ['a text a second time', ['pid_file /a', 'pid_file /b'], { '2.0': 2, '2.0.21': 2, '2.1': 2 }],
    [
      'a list of passwords a second time',
      ['password_file /a', 'password_file /b'],
      { '2.0': 2, '2.0.21': 2 },
    ],
    ['no value at all', ['acl_file'], { '2.0': 1, '2.0.21': 1, '2.1': 1 }],
    ['no value where 2.0 goes on', ['log_type'], { '2.1': 1 }],
    ['an option of a bridge outside of one', ['cleansession true'], { '2.0': 1, '2.0.21': 1, '2.1': 1 }],
    ['an option of a listener before any', ['mount_point a/'], { '2.0': 1, '2.0.21': 1, '2.1': 1 }],
    ['one that is for listeners of 2.1', ['http_dir /srv'], { '2.1': 1 }],
    ['an option of a plugin without one', ['plugin_opt_a b'], { '2.0': 1, '2.0.21': 1, '2.1': 1 }],
    [
      'security of listeners too late',
      ['allow_anonymous true', 'per_listener_settings true'],
      { '2.0': 2, '2.0.21': 2, '2.1': 2 },
    ],
    [
      'a pause that ends before it begins',
      [...BRIDGE, 'restart_timeout 20 10', 'topic # out'],
      { '2.0': 3, '2.0.21': 3, '2.1': 3 },
    ],
    [
      'a kind of start that is none',
      [...BRIDGE, 'start_type manual', 'topic # out'],
      { '2.0': 3, '2.0.21': 3, '2.1': 3 },
    ],
    ['a pattern in quotes', [...BRIDGE, 'topic "a b" out 1'], { '2.0': 3, '2.0.21': 3 }],
    ['a pattern without its closing quote', [...BRIDGE, 'topic "a out 1'], { '2.1': 3 }],
    ['a prefix with a wildcard', [...BRIDGE, 'topic # out 0 a/# ""'], { '2.0': 3, '2.0.21': 3, '2.1': 3 }],
    [
      'a second key of a bridge',
      [...BRIDGE, 'bridge_keyfile /a', 'bridge_keyfile /b', 'topic # out'],
      { '2.0': 4, '2.0.21': 4 },
    ],
    ['a certificate without a key', ['listener 8883', 'certfile /a.crt'], { '2.0.21': 1, '2.1': 1 }],
    ['a CA without a certificate', ['listener 8883', 'cafile /ca.crt'], { '2.0.21': 1, '2.1': 1 }],
    [
      'a version of TLS that is none',
      ['listener 8883', ...TLS, 'tls_version TLSv1.3'],
      { '2.0': 1, '2.0.21': 1, '2.1': 1 },
    ],
    ['what none of them knows', ['option_of_the_future 1'], {}],
  ])('stops the versions that do not take it: %s', (_what, lines, expected) => {
    expect(stops(...lines)).toEqual(expected);
  });

  it('may have a listener with a certificate alone, which then speaks no TLS', () => {
    const reading = readConfAs(
      '2.0',
      fileOf(['listener 8883', 'certfile /a.crt', 'tls_version no']),
      () => [],
    );
    expect(reading.ok && reading.conf.listeners.map(speaksTls)).toEqual([false]);
  });

  it('is taken where one of the versions takes it', () => {
    const only = (...lines: readonly string[]) => readConf(fileOf(lines), () => []).reading.ok;
    expect([only('max_queued_messages many'), only('global_max_clients 1'), only('persistence yes')]).toEqual(
      [true, true, false],
    );
  });

  it('opens a listener that only its certificate makes with 2.0.11 alone', () => {
    const ports = DIALECTS.map((dialect) => {
      const reading = readConfAs(dialect, fileOf(TLS), () => []);
      return reading.ok && reading.conf.listeners.map(({ port }) => port);
    });
    expect(ports).toEqual([[1883], [], []]);
  });

  it('means the same to all versions where they differ in nothing about certificates', () => {
    const isAmbiguous = (...lines: readonly string[]) => readConf(fileOf(lines), () => []).isAmbiguous;
    expect(isAmbiguous('max_connections -1', 'listener 8883', ...TLS)).toBe(false);
    expect(isAmbiguous('listener 8883', 'port 1884', ...TLS)).toBe(true);
  });
});
