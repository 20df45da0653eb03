import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isJournal } from '../../src/system/process/journal.ts';
import { readServiceManager } from '../../src/system/process/service-manager.ts';

const PID = 4_711;

function open(): { readonly fd: number; readonly stream: string } {
  const fd = openSync(devNull, 'r');
  onTestFinished(() => closeSync(fd));
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return { fd, stream: `${dev}:${ino}` };
}

describe('the journal', () => {
  it('is where the output goes that JOURNAL_STREAM names', () => {
    const { fd, stream } = open();
    expect(isJournal(fd, stream)).toBe(true);
  });

  it.each([undefined, '', '1:2', 'nonsense', ':'])('is not where it goes if that is %j', (stream) => {
    expect(isJournal(open().fd, stream)).toBe(false);
  });

  it('is not where a closed descriptor goes', () => {
    expect(isJournal(1_000_000, '0:0')).toBe(false);
  });
});

describe('what systemd tells a service', () => {
  it('is nothing without systemd', () => {
    expect(readServiceManager({}, PID)).toEqual({
      readsLog: false,
      readsProblems: false,
      listens: false,
      watchdogMs: undefined,
    });
  });

  it.each([
    [{ WATCHDOG_USEC: '60000000' }, 60_000],
    [{ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '4711' }, 60_000],
    [{ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '1' }, undefined],
    [{ WATCHDOG_USEC: '0' }, undefined],
    [{ WATCHDOG_USEC: '' }, undefined],
    [{ WATCHDOG_USEC: 'soon' }, undefined],
    [{ WATCHDOG_USEC: '-1' }, undefined],
  ])('is by %j a watchdog of %s ms', (environment, watchdogMs) => {
    expect(readServiceManager(environment, PID).watchdogMs).toBe(watchdogMs);
  });

  it('is whether it listens', () => {
    expect(readServiceManager({ NOTIFY_SOCKET: '@/run/notify' }, PID).listens).toBe(true);
    expect(readServiceManager({ NOTIFY_SOCKET: '' }, PID).listens).toBe(false);
  });
});

describe('a problem on standard error', () => {
  it('has no priority where that is not the journal, whatever JOURNAL_STREAM says', () => {
    const { stderr } = spawnSync(process.execPath, ['src/main.ts', 'nonsense'], {
      env: { JOURNAL_STREAM: '1:2' },
      encoding: 'utf8',
    });
    expect(stderr).toMatch(/^mosquitto-cert-watcher: unknown command nonsense/);
  });
});
