/** An event in one line for people. What comes from outside is made harmless and short here, once. */

import type { Details, EventName } from './events.ts';

const LONGEST = 400;

/**
 * Text of any origin (a subject, an error) as one short line without control characters: those, and marks that
 * turn the direction of writing, could deceive a reader or drive a terminal.
 */
export function clip(text: string): string {
  const harmless = text
    .slice(0, LONGEST + 1)
    .replace(/\s+/g, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '\uFFFD');
  return harmless.length > LONGEST ? `${harmless.slice(0, LONGEST)}…` : harmless;
}

/** The message of an event; the few that carry none get one made of their details. */
export function summaryOf(event: EventName, details: Details): string {
  const { message } = details;
  return clip(typeof message === 'string' ? message : (SUMMARIES[event]?.(details) ?? ''));
}

const SUMMARIES: Partial<Record<EventName, (details: Details) => string>> = {
  started: ({ version }) => `version ${version}`,
  stopped: ({ reason }) => `by ${reason}`,
  cert_parsed: ({ subject, not_after, days_remaining }) =>
    `${subject}, valid until ${not_after}, ${days_remaining} days`,
  tls_probe_success: ({ upstream, protocol, proof }) =>
    `${upstream} ${proof === 'connack' ? 'let us in' : 'raised no objection'}${protocol ? `, ${protocol}` : ''}`,
  tls_probe_failure: ({ upstream, cause, error }) => `${upstream}, ${cause}: ${error}`,
  server_started: ({ address }) => `listening on ${address}`,
};
