import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readProperties } from '../../../src/adapters/systemd/properties.ts';
import { parseTimeSpan } from '../../../src/adapters/systemd/time-span.ts';

/** What `systemctl show` of systemd 252 says about Debian's mosquitto.service, with what differs from it. */
function shown(change: Readonly<Record<string, string>> = {}): string {
  const properties = {
    TimeoutStartUSec: '1min 30s',
    TimeoutStopUSec: '1min 30s',
    Result: 'success',
    NRestarts: '0',
    ExecMainStartTimestamp: 'Sat 2026-11-28 10:18:24.093157 UTC',
    ExecMainCode: '0',
    ExecMainStatus: '0',
    ExecStart:
      '{ path=/usr/sbin/mosquitto ; argv[]=/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf ; ignore_errors=no ; start_time=[Sat 2026-11-28 10:18:24.093128 UTC] ; stop_time=[n/a] ; pid=55 ; code=(null) ; status=0/0 }',
    Id: 'mosquitto.service',
    LoadState: 'loaded',
    ActiveState: 'active',
    FreezerState: 'running',
    SubState: 'running',
    InactiveEnterTimestamp: '',
    ConditionResult: 'yes',
    ...change,
  };
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

function read(change: Readonly<Record<string, string>> = {}) {
  const properties = readProperties(shown(change));
  if (!properties.ok) throw new Error(properties.problem);
  return properties;
}

describe('what systemctl shows', () => {
  it('of a unit that runs is its start to the microsecond, and its times', () => {
    expect(read().unit).toMatchObject({
      id: 'mosquitto.service',
      up: true,
      status: 'active (running)',
      startedAt: '2026-11-28T10:18:24.093157Z',
      startedAtMs: Date.UTC(2026, 10, 28, 10, 18, 24, 93),
      finishedAt: '',
      finishedAtMs: undefined,
      exitCode: undefined,
      ofPodman: false,
      restartNeedsMs: 270_000,
    });
  });

  it('of a forking service counts from its command, which has read the files before', () => {
    const { unit } = read({ ExecMainStartTimestamp: 'Sat 2026-11-28 10:18:25.000000 UTC' });
    expect(unit.startedAtMs).toBe(Date.UTC(2026, 10, 28, 10, 18, 24, 93));
    expect(unit.startedAt).toBe('2026-11-28T10:18:25.000000Z');
  });

  it.each<[string, Record<string, string>, object]>([
    [
      'that was stopped',
      { ActiveState: 'inactive', SubState: 'dead', ExecMainCode: '1' },
      { up: false, exitCode: 0 },
    ],
    [
      'that has failed',
      {
        ActiveState: 'failed',
        SubState: 'failed',
        Result: 'exit-code',
        ExecMainCode: '1',
        ExecMainStatus: '3',
      },
      { up: false, status: 'failed (exit-code)', exitCode: 3 },
    ],
    [
      'that a signal has ended',
      { ActiveState: 'failed', Result: 'signal', ExecMainCode: '2', ExecMainStatus: '11' },
      { exitCode: undefined, result: 'signal' },
    ],
    ['that is masked', { LoadState: 'masked', ActiveState: 'inactive' }, { masked: true, status: 'masked' }],
    ['that is masked and runs', { LoadState: 'masked' }, { masked: true, status: 'active (running)' }],
    [
      'that has never run',
      { ExecMainStartTimestamp: '', ExecStart: '' },
      { startedAt: '', startedAtMs: undefined },
    ],
    [
      'of Podman',
      { ExecStart: '{ path=/usr/bin/podman ; argv[]=/usr/bin/podman run x }' },
      { ofPodman: true },
    ],
    ['without a limit', { TimeoutStartUSec: 'infinity' }, { restartNeedsMs: 480_000 }],
  ])('of a unit %s', (_, change, expected) => {
    expect(read(change).unit).toMatchObject(expected);
  });

  it('of a name without a unit is that there is none', () => {
    expect(read({ LoadState: 'not-found', ActiveState: 'inactive' }).isThere).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['a sentence', 'Failed to connect to bus'],
    ['a time of an older systemd', shown({ ExecMainStartTimestamp: 'Sat 2026-11-28 10:18:24 CET' })],
  ])('is not believed where it is %s', (_, text) => {
    expect(readProperties(text)).toMatchObject({ ok: false });
  });

  it('may be anything: it yields a unit or a problem', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat({ max: 900 }), (text, at) => {
        const whole = shown();
        const { ok } = readProperties(whole.slice(0, at) + text + whole.slice(at));
        expect(typeof ok).toBe('boolean');
      }),
    );
  });
});

describe('a time span', () => {
  it.each([
    ['1min 30s', 90_000],
    ['100ms', 100],
    ['1h 2min 3s 4ms 5us', 3_723_004.005],
    ['0', 0],
    ['infinity', undefined],
    ['soon', undefined],
    ['', undefined],
  ])('%j is %s ms', (text, ms) => {
    expect(parseTimeSpan(text)).toBe(ms);
  });
});
