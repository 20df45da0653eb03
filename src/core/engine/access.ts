/** What the engine's socket grants, as far as read-only calls can show. */

import type { EngineCall } from './calls.ts';

export type EngineAccess =
  /**
   * Every call that was tried is answered, although none is needed. A rootless engine has the rights of its user;
   * undefined: the engine has not reported whether it is rootless.
   */
  | { readonly kind: 'whole_engine'; readonly rootless: boolean | undefined }
  /** calls that are not needed are refused, except those in `surplus` */
  | { readonly kind: 'restricted'; readonly surplus: readonly string[] }
  /** no engine has answered */
  | { readonly kind: 'unknown'; readonly problem: string };

/** The outcome of one `GET` that the program does not need: an HTTP status, or why there is none. */
export type Trial =
  | {
      readonly path: string;
      readonly status: number;
      /** the engine reports that it runs without root */
      readonly rootless?: boolean;
    }
  | { readonly path: string; readonly problem: string };

/** How a proxy refuses: by its own rule, or because it does not know the path or method. */
const REFUSALS = [401, 403, 404, 405];

/**
 * Concludes from the answers what the socket grants. One refusal is enough to know that there is a proxy in between.
 */
export function judgeAccess(trials: readonly Trial[]): EngineAccess {
  const granted = trials.filter((trial) => 'status' in trial && trial.status >= 200 && trial.status < 300);
  const refused = trials.filter((trial) => 'status' in trial && REFUSALS.includes(trial.status));
  if (refused.length > 0)
    return { kind: 'restricted', surplus: granted.map(({ path }) => `GET ${path.replace(/\?.*/, '')}`) };
  if (granted.length > 0)
    return {
      kind: 'whole_engine',
      rootless: granted.flatMap((trial) => ('rootless' in trial ? trial.rootless : [])).at(0),
    };
  const [trial] = trials;
  return { kind: 'unknown', problem: trial === undefined ? 'nothing was asked' : problemOf(trial) };
}

function problemOf(trial: Trial): string {
  return 'problem' in trial ? trial.problem : `GET ${trial.path}: HTTP ${trial.status}`;
}

function rightsOf(rootless: boolean | undefined): string {
  if (rootless === undefined)
    return 'has every right of the user who runs it, which is root unless it is rootless';
  return rootless ? 'has every right of the user who runs it (rootless)' : 'is root on its machine';
}

const POLICY = 'see mosquitto-cert-watcher socket-policy';

/** Explains the result to people who may restrict the socket to the calls that are `needed`. */
export function explainAccess(
  access: EngineAccess,
  needed: readonly EngineCall[],
): { readonly message: string; readonly hint?: string } {
  switch (access.kind) {
    case 'whole_engine':
      return {
        message: `this socket grants the whole engine, which ${rightsOf(access.rootless)}; a socket proxy that allows ${needed.length} calls is enough`,
        hint: [POLICY, ...new Set(needed.flatMap(({ caution }) => caution ?? []))].join('; '),
      };
    case 'restricted':
      if (access.surplus.length === 0)
        return { message: 'the socket is restricted: calls that are not needed are refused' };
      return {
        message: `the socket is restricted, but answers calls that are not needed: ${access.surplus.join(', ')}`,
        hint: POLICY,
      };
    case 'unknown':
      return { message: `what the socket grants is not known: ${access.problem}` };
  }
}
