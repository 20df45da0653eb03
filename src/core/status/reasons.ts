/** What each reason means for people, in one table: a new reason without a row does not compile. */

import type { Reason } from '../decision/diagram.ts';

export interface ReasonWords {
  /** a problem in itself; any other verdict is normal, even if something else is wrong */
  readonly isTrouble: boolean;
  /** what ends it, if that moment means something to people: a time of its own, or the next probe */
  readonly endsWith: 'time' | 'probe' | undefined;
  /** what happens at that moment, completing `… at 12:00:00`; undefined if it is not shown */
  readonly atThatMoment: string | undefined;
  /** why the last cycle ended in this box, in two words that fit next to it; undefined if the box itself says it */
  readonly note: string | undefined;
  /** the overall state if nothing is wrong and a changed set waits for this reason */
  readonly pending: string | undefined;
}

/** A verdict that needs no text of its own. */
const PLAIN = {
  isTrouble: false,
  endsWith: undefined,
  atThatMoment: undefined,
  note: undefined,
  pending: undefined,
} as const;

const ARRIVED = 'new certificates have arrived';

export const REASON_WORDS: Readonly<Record<Reason, ReasonWords>> = {
  certs_missing: { ...PLAIN, isTrouble: true, note: 'waiting for files' },
  certs_changing: { ...PLAIN, note: 'being written' },
  cert_unparsable: { ...PLAIN, isTrouble: true, note: 'not readable' },
  cert_expired: { ...PLAIN, isTrouble: true },
  crl_expired: { ...PLAIN, isTrouble: true, note: 'revocation list' },
  cert_not_yet_valid: {
    ...PLAIN,
    isTrouble: true,
    endsWith: 'time',
    atThatMoment: 'The certificate becomes valid',
    note: 'valid in',
  },
  key_unusable: {
    ...PLAIN,
    isTrouble: true,
    endsWith: 'probe',
    atThatMoment: 'The key is looked at again',
    note: 'wrong or broken key',
  },
  not_stable: {
    ...PLAIN,
    endsWith: 'time',
    atThatMoment: 'The stability window ends',
    note: 'window ends in',
    pending: `${ARRIVED}; the broker is restarted once they have been unchanged for a while`,
  },
  service_updating: {
    ...PLAIN,
    note: 'being updated',
    pending: `${ARRIVED}; the service is being updated`,
  },
  service_updated: { ...PLAIN, note: 'update has ended' },
  service_update_failed: { ...PLAIN, isTrouble: true, note: 'update has failed' },
  set_outdated: { ...PLAIN, isTrouble: true, note: 'node is behind' },
  set_rolled_back: { ...PLAIN, isTrouble: true, note: 'rolled back' },
  broker_starting: {
    ...PLAIN,
    endsWith: 'time',
    note: 'health check passes by',
    pending: 'the broker has been restarted for the new certificates; it is not known yet whether it is well',
  },
  in_cooldown: {
    ...PLAIN,
    endsWith: 'time',
    atThatMoment: 'The cooldown ends',
    note: 'cooldown ends in',
    pending: `${ARRIVED}; the broker is restarted when the cooldown has passed`,
  },
  unchanged: PLAIN,
  broker_already_current: PLAIN,
  probe_pending: {
    ...PLAIN,
    note: 'being probed',
    pending: `${ARRIVED}; the upstream is being asked whether it accepts them`,
  },
  probe_holds: {
    ...PLAIN,
    isTrouble: true,
    endsWith: 'probe',
    atThatMoment: 'The upstream is probed again',
    note: 'held, next probe',
  },
  set_unreadable: { ...PLAIN, isTrouble: true, note: 'not for the broker' },
  restart_disabled: { ...PLAIN, isTrouble: true, note: 'switched off' },
  outside_window: {
    ...PLAIN,
    endsWith: 'time',
    atThatMoment: 'The restart may come',
    note: 'restart comes in',
    pending: `${ARRIVED}; the restart waits for RESTART_WINDOW`,
  },
  restart_splayed: {
    ...PLAIN,
    endsWith: 'time',
    atThatMoment: 'The turn of this broker comes',
    note: 'its turn comes in',
    pending: `${ARRIVED}; the restarts of the fleet are spread out, and this broker has its turn soon`,
  },
  engine_failed: {
    ...PLAIN,
    isTrouble: true,
    endsWith: 'time',
    atThatMoment: 'The next try is',
    note: 'engine: next try',
  },
  another_watcher: {
    ...PLAIN,
    note: 'another goes first',
    pending: `${ARRIVED}; another watcher of this broker goes first`,
  },
  broker_not_running: {
    ...PLAIN,
    isTrouble: true,
    endsWith: 'time',
    atThatMoment: 'The broker is looked at again',
    note: 'broker is stopped',
  },
  broker_paused: { ...PLAIN, isTrouble: true, endsWith: 'time', note: 'broker is paused' },
  watcher_just_started: {
    ...PLAIN,
    endsWith: 'time',
    atThatMoment: 'The restart comes',
    note: 'just started',
    pending: `${ARRIVED}; the watcher has just started and restarts in a moment`,
  },
  roll_stopped: {
    ...PLAIN,
    isTrouble: true,
    note: 'waits for another',
    pending: `${ARRIVED}; a broker waits until another one is well again`,
  },
  promotion_failed: {
    ...PLAIN,
    isTrouble: true,
    endsWith: 'time',
    atThatMoment: 'The next try is',
    note: 'not promoted',
  },
  promote: {
    ...PLAIN,
    note: 'being promoted',
    pending: `${ARRIVED} and become live`,
  },
  restart: {
    ...PLAIN,
    note: 'restarting',
    pending: `${ARRIVED}; the broker is being restarted`,
  },
};
