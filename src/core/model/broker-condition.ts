/** The condition of a broker, in one word for all kinds of broker. */

export type BrokerCondition =
  | 'well'
  | 'starting'
  | 'unhealthy'
  | 'paused'
  | 'stopping'
  | 'stopped'
  | 'removing'
  | 'dead'
  | 'crashed'
  | 'crash_loop';
