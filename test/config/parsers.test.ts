import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as parsers from '../../src/config/parsers.ts';

describe('boolean', () => {
  it.each(['1', 't', 'T', 'TRUE', 'true', 'True'])('takes %s for true, as Go does', (text) => {
    expect(parsers.boolean.parse(text)).toBe(true);
  });

  it.each(['0', 'f', 'F', 'FALSE', 'false', 'False'])('takes %s for false, as Go does', (text) => {
    expect(parsers.boolean.parse(text)).toBe(false);
  });

  it.each(['', 'yes', 'no', 'on', 'off', 'tRUE', 'fALSE', 'TrUe', ' true', 'true ', '2', '-1', '01', 'null'])(
    'refuses %j, as Go does',
    (text) => {
      expect(parsers.boolean.parse(text)).toBeUndefined();
    },
  );
});

describe('duration', () => {
  it.each<['0' | '10ms', string, number]>([
    ['0', '0', 0],
    ['0', '0s', 0],
    ['0', '300ms', 300],
    ['0', '1m30s', 90_000],
    ['10ms', '10ms', 10],
    ['10ms', '1.5h', 5_400_000],
  ])('of at least %s takes %s', (least, text, ms) => {
    expect(parsers.duration(least).parse(text)).toBe(ms);
  });

  it.each<['0' | '10ms', string]>([
    ['0', '-1s'],
    ['0', '5'],
    ['0', '5 s'],
    ['0', '1d'],
    ['0', ''],
    ['10ms', '0'],
    ['10ms', '9.99ms'],
    ['10ms', '-1h'],
  ])('of at least %s refuses %j', (least, text) => {
    expect(parsers.duration(least).parse(text)).toBeUndefined();
  });

  it('says what the least is', () => {
    expect([parsers.duration('0').accepts, parsers.duration('10ms').accepts]).toEqual([
      expect.stringMatching(/, 0 or longer$/),
      expect.stringMatching(/, at least 10ms$/),
    ]);
  });
});

describe('integer', () => {
  it('takes every whole number within its limits, and no other', () => {
    fc.assert(
      fc.property(fc.integer({ min: -10, max: 70_000 }), (value) => {
        expect(parsers.integer(1, 65_535).parse(`${value}`)).toBe(
          value >= 1 && value <= 65_535 ? value : undefined,
        );
      }),
    );
  });

  it.each(['', ' 1', '1 ', '+1', '-1', '1.0', '1e3', '0x10', '１', 'NaN', '9'.repeat(400)])(
    'refuses %j',
    (text) => {
      expect(parsers.integer(0, 65_535).parse(text)).toBeUndefined();
    },
  );
});

describe('oneOf', () => {
  it.each(['off', 'any'])('takes the word %s', (word) => {
    expect(parsers.oneOf(['off', 'any']).parse(word)).toBe(word);
  });

  it.each(['', 'OFF', ' off', 'none', 'toString'])('refuses %j', (word) => {
    expect(parsers.oneOf(['off', 'any']).parse(word)).toBeUndefined();
  });
});

describe('path', () => {
  it.each(['/certs', 'client.crt', '../a b/ü', '-'])('takes %s', (text) => {
    expect(parsers.path.parse(text)).toBe(text);
  });

  it('refuses what no file system takes', () => {
    expect(parsers.path.parse('/certs\0')).toBeUndefined();
  });
});

describe('containerName', () => {
  it.each([
    ['mosquitto', 'mosquitto'],
    ['eclipse-mosquitto_1.2', 'eclipse-mosquitto_1.2'],
    ['4f2c'.repeat(16), '4f2c'.repeat(16)],
    ['/mosquitto', 'mosquitto'],
  ])('takes %s', (text, name) => {
    expect(parsers.containerName.parse(text)).toBe(name);
  });

  it.each(['', '/', 'a/b', '//a', 'my broker', '-a', '.a', 'a?t=0', 'a%2fb', 'bröker', 'a\n'])(
    'refuses %j',
    (text) => {
      expect(parsers.containerName.parse(text)).toBeUndefined();
    },
  );
});

describe('host', () => {
  it.each(['localhost', 'broker.example.com', '127.0.0.1', '::1', 'fe80::1%eth0'])('takes %s', (text) => {
    expect(parsers.host.parse(text)).toBe(text);
  });

  it.each(['', 'a b', 'broker:8883', '[::1]', 'user@host', 'http://x', 'a/b', ':::1'])(
    'refuses %j',
    (text) => {
      expect(parsers.host.parse(text)).toBeUndefined();
    },
  );
});

describe('hostPort', () => {
  const upstream = parsers.hostPort(8883);

  it.each([
    ['broker.example.com:1883', { host: 'broker.example.com', port: 1883 }],
    ['broker.example.com', { host: 'broker.example.com', port: 8883 }],
    ['192.0.2.1:1', { host: '192.0.2.1', port: 1 }],
    ['[2001:db8::1]:65535', { host: '2001:db8::1', port: 65_535 }],
    ['[::1]', { host: '::1', port: 8883 }],
    ['[fe80::1%eth0]:8883', { host: 'fe80::1%eth0', port: 8883 }],
    ['[::ffff:192.0.2.1]:8883', { host: '::ffff:192.0.2.1', port: 8883 }],
  ])('takes %s', (text, address) => {
    expect(upstream.parse(text)).toEqual(address);
  });

  it.each([
    '',
    ':8883',
    'broker:',
    'broker:0',
    'broker:65536',
    'broker:mqtts',
    'broker:-1',
    '::1',
    '2001:db8::1:8883',
    '[::1',
    '::1]',
    '[]:8883',
    '[broker]:8883',
    '[127.0.0.1]:8883',
    '[::1]8883',
    'mqtts://broker:8883',
    'broker:8883/path',
    'bro ker:8883',
    ' broker:8883',
    'broker:8883\n',
  ])('refuses %j', (text) => {
    expect(upstream.parse(text)).toBeUndefined();
  });

  it('names the port that it would use', () => {
    expect(upstream.accepts).toContain('8883');
  });
});

describe('dockerHost', () => {
  it.each([
    ['unix:///var/run/docker.sock', { kind: 'unix', path: '/var/run/docker.sock' }],
    ['unix:///run/user/1000/podman/podman.sock', { kind: 'unix', path: '/run/user/1000/podman/podman.sock' }],
    ['tcp://socket-proxy:2375', { kind: 'tcp', host: 'socket-proxy', port: 2375 }],
    ['tcp://socket-proxy', { kind: 'tcp', host: 'socket-proxy', port: 2375 }],
    ['tcp://127.0.0.1:2375/', { kind: 'tcp', host: '127.0.0.1', port: 2375 }],
    ['tcp://[::1]:2375', { kind: 'tcp', host: '::1', port: 2375 }],
  ])('takes %s', (text, endpoint) => {
    expect(parsers.dockerHost.parse(text)).toEqual(endpoint);
  });

  it.each([
    '',
    '/var/run/docker.sock',
    'unix://',
    'unix://var/run/docker.sock',
    'tcp://',
    'tcp://host:port',
    'tcp://host:2375/path',
    'ssh://user@host',
    'http://host:2375',
    'npipe:////./pipe/docker_engine',
  ])('refuses %j', (text) => {
    expect(parsers.dockerHost.parse(text)).toBeUndefined();
  });
});
