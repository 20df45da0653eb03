/** A message in the format of its receiver. */

import type { Payload } from '../../core/model/delivery.ts';
import type { NotifyFormat } from '../../core/model/settings.ts';
import type { Told, ToldProblem } from '../../core/status/notification.ts';
import { linesOf, type Message, type Sender, titleOf } from './message.ts';

/**
 * Makes the payload of a message. `delivered` is what was last delivered to the receiver: an Alertmanager has to be
 * notified that it is over.
 */
export type Format = (message: Message, sender: Sender, delivered: Told) => Payload;

export const FORMATS: Readonly<Record<NotifyFormat, Format>> = {
  json: jsonPayload,
  ntfy: ntfyPayload,
  slack: slackPayload,
  alertmanager: alertmanagerPayload,
};

const JSON_HEADERS = { 'Content-Type': 'application/json' };

/** Incremented when a field changes its meaning or is removed; a new field does not change the version. */
const SCHEMA_VERSION = 1;

/** One object in a format of our own; unknown values are null. docs/notifications.md describes it. */
function jsonPayload(message: Message, { host, broker, version }: Sender): Payload {
  const { id, kind, now, before, status, sentence, advice, atMs } = message;
  const problem = now.level === 'ok' ? undefined : now;
  const body = {
    schema_version: SCHEMA_VERSION,
    id,
    kind,
    status,
    previous_status: before.level,
    cause: problem?.cause ?? null,
    about: problem?.about ?? null,
    summary: sentence,
    advice,
    since: problem === undefined ? null : time(problem.sinceMs),
    at: time(atMs),
    host,
    broker,
    version,
  };
  return { headers: JSON_HEADERS, body: JSON.stringify(body) };
}

/** Priorities and tags of https://docs.ntfy.sh/publish/: 5 is the loudest, 3 the default; tags are emojis. */
const NTFY = {
  critical: { priority: '5', tags: 'rotating_light' },
  warning: { priority: '4', tags: 'warning' },
  ok: { priority: '3', tags: 'white_check_mark' },
} as const;

/** The message is the body, everything else a header: the address stays unchanged, and so does a token in it. */
function ntfyPayload(message: Message, sender: Sender): Payload {
  const { priority, tags } = NTFY[message.status];
  return {
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      Title: headerText(titleOf(message, sender)),
      Priority: priority,
      Tags: tags,
    },
    body: linesOf(message).join('\n'),
  };
}

/** A header holds ASCII; everything else is encoded as in RFC 2047, which ntfy understands. */
function headerText(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`;
}

const SLACK_EMOJIS = {
  critical: ':rotating_light:',
  warning: ':warning:',
  ok: ':white_check_mark:',
} as const;

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: `text` alone is understood everywhere. */
function slackPayload(message: Message, sender: Sender): Payload {
  const title = `${SLACK_EMOJIS[message.status]} *${slackText(titleOf(message, sender))}*`;
  const lines = [title, ...linesOf(message).map(slackText)];
  return { headers: JSON_HEADERS, body: JSON.stringify({ text: lines.join('\n') }) };
}

/** The three characters that are special to Slack: `<!channel>` would notify everybody. */
function slackText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** An Alertmanager ends an alert that is not repeated within 5 minutes, and this one is sent once. */
const ALERT_MS = 365 * 86_400_000;

/** A test alert ends soon, without another message. */
const TEST_ALERT_MS = 60_000;

/** `POST /api/v2/alerts` of https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml */
function alertmanagerPayload(message: Message, sender: Sender, delivered: Told): Payload {
  const { now, kind, atMs } = message;
  const alerts: object[] = [];
  // an alert is identified by its labels: another cause or level is another alert, and the old one is over
  if (delivered.level !== 'ok' && !isSameAlert(now, delivered)) {
    alerts.push(alert(labelsOf(delivered, sender), delivered.sentence, '', delivered.sinceMs, atMs));
  }
  if (now.level !== 'ok') {
    const endsAtMs = atMs + ALERT_MS;
    alerts.push(alert(labelsOf(now, sender), message.sentence, message.advice, now.sinceMs, endsAtMs));
  }
  if (kind === 'test') {
    const labels = { alertname: 'MosquittoCertWatcherTest', severity: 'info', ...placeOf(sender) };
    alerts.push(alert(labels, message.sentence, message.advice, atMs, atMs + TEST_ALERT_MS));
  }
  return { headers: JSON_HEADERS, body: JSON.stringify(alerts), endpoint: '/api/v2/alerts' };
}

function isSameAlert(now: Told, delivered: ToldProblem): boolean {
  return now.level === delivered.level && now.cause === delivered.cause;
}

function labelsOf({ level, cause, about }: ToldProblem, sender: Sender) {
  return { alertname: 'MosquittoCertWatcher', severity: level, cause, about, ...placeOf(sender) };
}

function placeOf({ host, broker }: Sender) {
  return { instance: host, broker };
}

function alert(
  labels: Readonly<Record<string, string>>,
  summary: string,
  description: string,
  startsAtMs: number,
  endsAtMs: number,
): object {
  return {
    labels,
    annotations: { summary, ...(description !== '' && { description }) },
    startsAt: time(startsAtMs),
    // the wall clock may have been set back meanwhile
    endsAt: time(Math.max(startsAtMs, endsAtMs)),
  };
}

function time(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
