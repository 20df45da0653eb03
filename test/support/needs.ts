/** What end-to-end tests need of the machine, and skipping in plain sight where it is missing. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe } from 'vitest';
import { MOSQUITTO } from '../../lab/broker-image.ts';
import { findEngine } from './find-engine.ts';
import { isAtLeast, MOSQUITTO_VERSION } from './mosquitto-version.ts';

export type Need = { readonly ok: true } | { readonly ok: false; readonly reason: string };

const engineSocket = await findEngine();

/** The Mosquitto of this machine, which need not be on the PATH ({@link MOSQUITTO}). */
export const BROKER: Need = MOSQUITTO === undefined ? missing('no mosquitto here') : { ok: true };

/** A Docker Engine that is running, and a Mosquitto to put into it. */
export const ENGINE: Need = all(
  engineSocket === undefined
    ? missing('no Docker Engine answers at E2E_DOCKER_SOCK, DOCKER_HOST or /var/run/docker.sock')
    : { ok: true },
  BROKER,
);

export const ROOT: Need = process.getuid?.() === 0 ? { ok: true } : missing('not root');

/** A program on the PATH. */
export function program(name: string): Need {
  return spawnSync(name, ['--version']).error === undefined ? { ok: true } : missing(`no ${name} here`);
}

/** Mounts and networks of its own, which root may not make in most containers. */
export const NAME_SPACES: Need = hasNameSpaces()
  ? { ok: true }
  : missing('no mounts and networks of its own: not root, no CAP_SYS_ADMIN, or no unshare, mount and ip');

/** An engine that boots a machine with systemd (lab/systemd.ts), and what `scripts/systemd-world.sh` needs to bring it. */
export const SYSTEMD: Need = all(ENGINE, ROOT, program('docker'), program('debootstrap'));

/** What `logged-disk.ts` is made of. */
export const LOGGED_DISK: Need = all(
  NAME_SPACES,
  existsSync('/dev/fuse') ? { ok: true } : missing('no /dev/fuse here'),
  existsSync('/dev/loop-control') ? { ok: true } : missing('no loop devices here'),
  spawnSync('mkfs.ext4', ['-V']).error === undefined ? { ok: true } : missing('no mkfs.ext4 here'),
);

/** Mosquitto 2.1 or newer: it knows `bridge_reload_type`. */
export const MOSQUITTO_2_1: Need = isAtLeast(MOSQUITTO_VERSION, '2.1')
  ? { ok: true }
  : missing('needs Mosquitto 2.1');

/** All of them. */
export function all(...needs: readonly Need[]): Need {
  return needs.find((need) => !need.ok) ?? { ok: true };
}

/** The socket of {@link ENGINE}. */
export function engineSocketPath(): string {
  if (engineSocket === undefined) throw new Error('no Docker Engine');
  return engineSocket;
}

/** A group of tests that share nothing but a theme; their waiting times overlap. Skipped, and says why, if it must be. */
export function describeWith(need: Need, title: string, body: () => void): void {
  if (need.ok) describe.concurrent(title, body);
  else describe.skip(`${title}${skipped(need)}`, body);
}

/** Belongs behind the title of what is skipped without this: the end of the run tells it. */
export function skipped(need: Need): string {
  return need.ok ? '' : ` [skipped: ${need.reason}]`;
}

function hasNameSpaces(): boolean {
  const script = `mount -t tmpfs own ${tmpdir()} && ip link set lo up`;
  return spawnSync('unshare', ['--mount', '--net', '--pid', '--fork', 'sh', '-c', script]).status === 0;
}

function missing(reason: string): Need {
  return { ok: false, reason };
}
