/** Which Mosquitto is installed here, and how it compares with others. */

import { spawnSync } from 'node:child_process';
import { MOSQUITTO } from '../../lab/broker-image.ts';
import { DIALECTS, type Dialect } from '../../src/core/text/conf-scope.ts';

/** `2.0.11`; empty where there is none. */
export const MOSQUITTO_VERSION = versionSaidBy(MOSQUITTO ?? 'mosquitto', '-h');

/** The version that a program of Mosquitto says; empty where it says none. */
export function versionSaidBy(program: string, flag: string): string {
  const { stdout } = spawnSync(program, [flag], { encoding: 'utf8' });
  return /version (\d+(?:\.\d+)+)/.exec(stdout ?? '')?.[1] ?? '';
}

/** Whether a version is this one or a newer one; what is not said counts as 0. */
export function isAtLeast(version: string, oldest: string): boolean {
  const numbers = (text: string) => text.split('.').map(Number);
  const [own, other] = [numbers(version), numbers(oldest)];
  const differs = other.findIndex((part, index) => part !== (own[index] ?? 0));
  return differs < 0 || (own[differs] ?? 0) > (other[differs] ?? 0);
}

/** How it reads its configuration. */
export const DIALECT: Dialect =
  DIALECTS.findLast((dialect) => isAtLeast(MOSQUITTO_VERSION, dialect)) ?? DIALECTS[0];
