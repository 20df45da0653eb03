/** The outcome of a message to an outside receiver: delivered, or why not. */

export const DELIVERY_CAUSES = [
  'local_file',
  'dns',
  'tcp',
  'tls',
  'timeout',
  'redirected',
  'refused',
  'receiver_error',
  'bad_answer',
] as const;

export type DeliveryCause = (typeof DELIVERY_CAUSES)[number];

export interface Delivered {
  readonly ok: true;
  readonly status: number;
  /** the beginning of the receiver's answer, without anything secret */
  readonly said: string;
}

export interface DeliveryFailure {
  readonly ok: false;
  readonly cause: DeliveryCause;
  /** what is wrong, in one line, without anything secret */
  readonly error: string;
  /** what to try */
  readonly hint: string;
}

export type Delivery = Delivered | DeliveryFailure;

/** A payload for a receiver, in its format. */
export interface Payload {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** required end of the path of the address; undefined: the address is used as it is */
  readonly endpoint?: string;
}
