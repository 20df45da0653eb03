/** What the engine's socket grants, as far as calls that change nothing can tell. */

import type { EngineCall } from './engine-calls.ts';

export type EngineAccess =
  /** every call that was tried is answered, although none is needed */
  | { readonly kind: 'whole_engine' }
  /** calls that are not needed are refused, all but those in `surplus` */
  | { readonly kind: 'restricted'; readonly surplus: readonly string[] }
  /** no engine has answered */
  | { readonly kind: 'unknown'; readonly problem: string };

/** What became of one `GET` that the program does not need: an HTTP status, or why there is none. */
export type Trial =
  | { readonly path: string; readonly status: number }
  | { readonly path: string; readonly problem: string };

/** How a proxy says no: by its own rule, or because it knows no such path or method. */
const REFUSALS = [401, 403, 404, 405];

/** Concludes from the answers what the socket grants. One refusal is enough to know that somebody stands between. */
export function judgeAccess(trials: readonly Trial[]): EngineAccess {
  const granted = trials.filter((trial) => 'status' in trial && trial.status >= 200 && trial.status < 300);
  const refused = trials.filter((trial) => 'status' in trial && REFUSALS.includes(trial.status));
  if (refused.length > 0)
    return { kind: 'restricted', surplus: granted.map(({ path }) => `GET ${path.replace(/\?.*/, '')}`) };
  if (granted.length > 0) return { kind: 'whole_engine' };
  const [trial] = trials;
  return { kind: 'unknown', problem: trial === undefined ? 'nothing was asked' : problemOf(trial) };
}

function problemOf(trial: Trial): string {
  return 'problem' in trial ? trial.problem : `GET ${trial.path}: HTTP ${trial.status}`;
}

const POLICY = 'see mosquitto-cert-watcher socket-policy';

/** Says it to people who may narrow it down to the calls that are `needed`. */
export function explainAccess(
  access: EngineAccess,
  needed: readonly EngineCall[],
): { readonly message: string; readonly hint?: string } {
  switch (access.kind) {
    case 'whole_engine':
      return {
        message: `this socket grants the whole engine, which is root on its machine; a socket proxy that allows ${needed.length} calls is enough`,
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
