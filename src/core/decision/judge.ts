/** One walk through the diagram, from the first box to the box in which it ends. */

import * as certificates from '../judgements/certificates.ts';
import * as leftAlone from '../judgements/left-alone.ts';
import * as loaded from '../judgements/loaded.ts';
import * as promotion from '../judgements/promotion.ts';
import * as readable from '../judgements/readable.ts';
import * as restart from '../judgements/restart.ts';
import * as rivals from '../judgements/rivals.ts';
import * as swarm from '../judgements/swarm.ts';
import * as timing from '../judgements/timing.ts';
import type { Judgement, Verdict } from '../judgements/verdict.ts';
import { asksUpstream } from '../model/settings.ts';
import { type Peers, type SetSituation, type Situation, setSituation } from '../situation.ts';
import { type Reason, ROOMS, type State } from './diagram.ts';
import { isOfEach, judgeEach } from './sets.ts';

/** Judgements of the files, readable or not. */
const OF_FILES = {
  certs_missing: certificates.certsMissing,
  certs_changing: certificates.certsChanging,
  cert_unparsable: certificates.certUnparsable,
} as const satisfies Partial<Record<Reason, Judgement<Situation>>>;

/** Judgements of a set that could be read. */
const OF_SET: Readonly<Record<Exclude<Reason, keyof typeof OF_FILES>, Judgement<SetSituation>>> = {
  cert_expired: certificates.certExpired,
  crl_expired: certificates.crlExpired,
  cert_not_yet_valid: certificates.certNotYetValid,
  key_unusable: certificates.keyUnusable,
  not_stable: certificates.notStable,
  service_updating: swarm.serviceUpdating,
  service_updated: swarm.serviceUpdated,
  service_update_failed: swarm.serviceUpdateFailed,
  set_outdated: swarm.setOutdated,
  broker_starting: restart.brokerStarting,
  set_rolled_back: promotion.setRolledBack,
  in_cooldown: restart.inCooldown,
  unchanged: loaded.unchanged,
  broker_already_current: loaded.brokerAlreadyCurrent,
  probe_pending: restart.probePending,
  probe_holds: restart.probeHolds,
  set_unreadable: readable.setUnreadable,
  restart_disabled: restart.restartDisabled,
  outside_window: timing.restartWindow,
  restart_splayed: timing.restartSplayed,
  engine_failed: restart.engineFailed,
  another_watcher: rivals.anotherWatcher,
  broker_not_running: leftAlone.brokerNotRunning,
  broker_paused: leftAlone.brokerPaused,
  watcher_just_started: restart.watcherJustStarted,
  roll_stopped: restart.rollIsStopped,
  promotion_failed: promotion.promotionFailed,
  promote: promotion.promote,
  restart: restart.restart,
};

/** Where a walk ended, and on which path. */
export interface Judged extends Verdict {
  readonly reason: Reason;
  /** from `CHECK_CERTS` to the last box before the common end of all walks */
  readonly path: readonly State[];
}

/** Walks the diagram. Without `peers`, the broker is treated as the only one. */
export function judge(situation: Situation, peers?: Peers): Judged {
  const { files, settings } = situation;
  const set = files.kind === 'complete' ? setSituation(situation, files, peers) : undefined;
  const path: State[] = [];
  for (const { box, ends, passed } of ROOMS) {
    if (box !== 'TLS_PROBE' || asksUpstream(settings)) path.push(box);
    for (const [reason, ...boxes] of ends) {
      const verdict = judgementOf(reason, situation, set);
      if (verdict !== undefined) return { ...verdict, reason, path: [...path, ...boxes] };
    }
    if (passed !== undefined) path.push(passed);
  }
  throw new Error('the last judgement of the diagram did not end the walk');
}

function judgementOf(
  reason: Reason,
  situation: Situation,
  set: SetSituation | undefined,
): Verdict | undefined {
  if (set !== undefined && isOfEach(reason, set)) return judgeEach(reason, set);
  if (isOfFiles(reason)) return OF_FILES[reason](situation);
  return set && OF_SET[reason](set);
}

function isOfFiles(reason: Reason): reason is keyof typeof OF_FILES {
  return reason in OF_FILES;
}
