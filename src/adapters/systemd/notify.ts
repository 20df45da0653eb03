/**
 * Notifies the service manager by systemd-notify(1): Node.js has no datagram sockets of the kind that NOTIFY_SOCKET is.
 * The message comes from another process than the main one, so the unit needs `NotifyAccess=all`.
 */

import { execFile } from 'node:child_process';

/** undefined: it has arrived; otherwise one line about why it has not */
export type NotifyProblem = string | undefined;

const PROGRAM = 'systemd-notify';

/** It waits by itself until systemd has read the message, but no longer than 5 s. */
const TIMEOUT_MS = 10_000;

/** What it says about a failure is one line. */
const MOST_OUTPUT = 4 * 1024;

/**
 * Sends assignments (`READY=1`, `STATUS=…`) in one message, and resolves when systemd has read it, or with what
 * prevented that; never rejects, and ends within 10 s.
 */
export function notifyServiceManager(
  assignments: readonly string[],
  signal: AbortSignal,
): Promise<NotifyProblem> {
  return new Promise((resolve) => {
    // what another program needs, and no secret of ours
    // biome-ignore lint/style/noProcessEnv: these are no settings of this program
    const { PATH, NOTIFY_SOCKET } = process.env;
    const limits = { cwd: '/', timeout: TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: MOST_OUTPUT } as const;
    try {
      execFile(
        PROGRAM,
        assignments,
        { ...limits, env: { PATH, NOTIFY_SOCKET, LC_ALL: 'C' }, signal },
        (error, _, stderr) => {
          if (error === null) resolve(undefined);
          else resolve(problemOf(error, stderr));
        },
      );
    } catch (error) {
      resolve(problemOf(error, ''));
    }
  });
}

function problemOf(error: unknown, stderr: string): string {
  const { code, killed } = error as NodeJS.ErrnoException & { killed?: boolean };
  if (code === 'ENOENT') return `there is no ${PROGRAM} here`;
  if (killed) return `${PROGRAM} did not end within ${TIMEOUT_MS / 1_000} s`;
  return stderr.trim() || `${PROGRAM} cannot be run (${code ?? 'for an unknown reason'})`;
}
