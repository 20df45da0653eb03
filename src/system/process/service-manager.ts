/** What systemd tells a service in its environment. sd_notify(3), sd_watchdog_enabled(3), systemd.exec(5) */

import { isJournal } from './journal.ts';

export interface ServiceManager {
  /** standard output is the journal */
  readonly readsLog: boolean;
  /** standard error is the journal */
  readonly readsProblems: boolean;
  /** wants to be notified, by systemd-notify(1), which reads the rest itself */
  readonly listens: boolean;
  /** how long this process may be silent before it counts as stuck; undefined: forever */
  readonly watchdogMs: number | undefined;
}

/** Reads it for the process `pid`; without systemd all of it is false. */
export function readServiceManager(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): ServiceManager {
  const { JOURNAL_STREAM, NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = environment;
  // inherited from a service that has started us: then the watchdog is not ours
  const isOurs = !WATCHDOG_PID || Number(WATCHDOG_PID) === pid;
  const watchdogMs = /^\d+$/.test(WATCHDOG_USEC ?? '') ? Number(WATCHDOG_USEC) / 1_000 : 0;
  return {
    readsLog: isJournal(1, JOURNAL_STREAM),
    readsProblems: isJournal(2, JOURNAL_STREAM),
    listens: Boolean(NOTIFY_SOCKET),
    watchdogMs: isOurs && watchdogMs > 0 ? watchdogMs : undefined,
  };
}
