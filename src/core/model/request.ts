/** What the operator may request of a running daemon. */

export type OperatorRequest =
  /** look at files, brokers and upstream at once */
  | 'look'
  /** exempt the waiting set from RESTART_WINDOW and RESTART_SPLAY */
  | 'restart';
