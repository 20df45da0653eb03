/**
 * The seed's state diagram as one table, used by the walk, by `path` and by the picture on the status page. A walk goes
 * from box to box; in each box it ends at the first judgement that returns a verdict, and otherwise continues. The
 * order of the judgements is behaviour.
 */

/**
 * An update of a swarm service proceeds without the watcher: it is followed to its end before anything else is judged.
 */
const UPDATING = [
  'STABLE',
  'CHECK_COOLDOWN',
  'READY',
  'CHECK_HASH',
  'HASH_CHANGED',
  'RESTART_MOSQUITTO',
] as const;
const SWARM = [
  ['service_updating', ...UPDATING],
  ['service_updated', ...UPDATING],
  ['service_update_failed', ...UPDATING],
  ['set_outdated', 'STABLE', 'CHECK_COOLDOWN', 'READY', 'CHECK_HASH', 'HASH_UNCHANGED'],
] as const;

/** A broker that was restarted and is up is proved to be well before anything else is done to it. */
const PROOF = [['broker_starting', ...UPDATING]] as const;

/** In a two-phase rotation: a set that was rolled back; there is nothing to wait for. */
const ROLLED_BACK = [
  ['set_rolled_back', 'STABLE', 'CHECK_COOLDOWN', 'READY', 'CHECK_HASH', 'HASH_CHANGED'],
] as const;

/** In a two-phase rotation: the promotion of the incoming set, right before the restart. */
const PROMOTION = [['promotion_failed'], ['promote']] as const;

/** The broker's own user may not read the set. */
const READABLE = [['set_unreadable']] as const;

/** What may block a restart that is due. */
const GUARDS = [
  ['restart_disabled'],
  ['outside_window'],
  ['restart_splayed'],
  ['engine_failed'],
  ['another_watcher'],
  ['broker_not_running'],
  ['broker_paused'],
  ['watcher_just_started'],
  ['roll_stopped'],
] as const;

/**
 * Each box with the reasons for which a walk ends there, the boxes in which it then ends, and the box that follows it.
 */
export const DIAGRAM = [
  {
    box: 'CHECK_CERTS',
    ends: [
      ['certs_missing', 'CERTS_MISSING'],
      ['certs_changing', 'CERTS_FOUND', 'CHECK_STABILITY', 'NOT_STABLE'],
    ],
    passed: 'CERTS_FOUND',
  },
  { box: 'PARSE_CERT', ends: [['cert_unparsable', 'CERT_INVALID']] },
  {
    box: 'VALIDATE_CERT',
    ends: [
      ['cert_expired', 'CERT_EXPIRED'],
      ['crl_expired', 'CERT_EXPIRED'],
      ['cert_not_yet_valid', 'CERT_INVALID'],
      ['key_unusable', 'CERT_INVALID'],
    ],
    passed: 'CERT_VALID',
  },
  {
    box: 'CHECK_STABILITY',
    ends: [['not_stable', 'NOT_STABLE'], ...SWARM, ...PROOF, ...ROLLED_BACK],
    passed: 'STABLE',
  },
  { box: 'CHECK_COOLDOWN', ends: [['in_cooldown', 'IN_COOLDOWN']], passed: 'READY' },
  {
    box: 'CHECK_HASH',
    ends: [
      ['unchanged', 'HASH_UNCHANGED'],
      ['broker_already_current', 'HASH_UNCHANGED'],
    ],
    passed: 'HASH_CHANGED',
  },
  { box: 'TLS_PROBE', ends: [['probe_pending'], ['probe_holds'], ...READABLE, ...GUARDS, ...PROMOTION] },
  { box: 'RESTART_MOSQUITTO', ends: [['restart']] },
] as const;

/** Where the first walk after the start begins, and where every walk ends. */
export const BEGIN = 'INITIALIZE' as const;
export const END = ['UPDATE_STATE', 'WAIT_INTERVAL'] as const;

type Row = (typeof DIAGRAM)[number];
type Box<Ends> = Ends extends readonly [string, ...infer Boxes] ? Boxes[number] : never;

/** The boxes of the state diagram. */
export type State =
  | typeof BEGIN
  | Row['box']
  | Extract<Row, { passed: string }>['passed']
  | Box<Row['ends'][number]>
  | (typeof END)[number];

/** Why a cycle ended as it did; every verdict has exactly one reason. */
export type Reason = Row['ends'][number][0];

export const REASONS: readonly Reason[] = DIAGRAM.flatMap(({ ends }) => ends.map(([reason]) => reason));

/** One row, without the literal types, for code that walks the table. */
export interface Room {
  readonly box: State;
  readonly ends: readonly (readonly [reason: Reason, ...boxes: State[]])[];
  readonly passed?: State;
}

/** The table for code that walks it. */
export const ROOMS: readonly Room[] = DIAGRAM;
