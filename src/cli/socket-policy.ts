/** `socket-policy`: what a proxy between the watcher and the engine has to allow. It makes no calls. */

import { neededCalls } from '../core/engine/calls.ts';
import type { Settings } from '../core/model/settings.ts';
import { haproxyConfiguration, policyJson } from '../surfaces/terminal/socket-policy.ts';

export interface SocketPolicyOptions {
  /** the bare list of calls instead of an HAProxy configuration */
  readonly json: boolean;
}

/** Writes the policy for these settings, and returns the exit code. */
export function socketPolicy(
  settings: Settings,
  { json }: SocketPolicyOptions,
  write: (text: string) => void,
): number {
  const calls = neededCalls(settings);
  write(json ? policyJson(calls) : haproxyConfiguration(calls, settings.engine));
  return 0;
}
