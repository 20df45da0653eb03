/** An event in one line for people. */

import { clip } from '../text/clip.ts';
import type { Details, EventName } from './events.ts';

/** The message of an event; the few that have none get one built from their details. */
export function summaryOf(event: EventName, details: Details): string {
  const { message, set } = details;
  if (typeof message === 'string') return clip(message);
  const name = typeof set === 'string' ? `${set}: ` : '';
  return clip(`${name}${SUMMARIES[event]?.(details) ?? ''}`);
}

const SUMMARIES: Partial<Record<EventName, (details: Details) => string>> = {
  started: ({ version }) => `version ${version}`,
  stopped: ({ reason }) => `by ${reason}`,
  cert_parsed: ({ subject, not_after, days_remaining, expires_in }) =>
    `${subject}, valid until ${not_after}, ${days_remaining === 0 ? expires_in : `${days_remaining} days`}`,
  tls_probe_success: ({ upstream, protocol, proof }) =>
    `${upstream} ${proof === 'connack' ? 'accepted the login' : 'raised no objection'}${protocol ? `, ${protocol}` : ''}`,
  tls_probe_failure: ({ upstream, cause, error }) => `${upstream}, ${cause}: ${error}`,
  server_started: ({ address }) => `listening on ${address}`,
};
