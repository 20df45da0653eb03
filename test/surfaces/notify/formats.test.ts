/** Payloads, against what their receivers publish of them. */

import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { EPOCH_MS } from '../../../lab/core-fixtures.ts';
import type { ToldProblem } from '../../../src/core/status/notification.ts';
import { FORMATS } from '../../../src/surfaces/notify/formats.ts';
import { type Message, messageOf, testMessage } from '../../../src/surfaces/notify/message.ts';

const SENDER = { host: 'edge-1', broker: 'mosquitto', version: '1.2.3' };
const HOUR_MS = 3_600_000;
const WELL = { level: 'ok' } as const;

const REJECTED: ToldProblem = {
  level: 'critical',
  cause: 'client_cert_rejected',
  about: 'upstream',
  sentence: 'the upstream refuses the client certificate',
  sinceMs: EPOCH_MS,
  causes: ['client_cert_rejected'],
};
const EXPIRING: ToldProblem = {
  ...REJECTED,
  level: 'warning',
  cause: 'cert_expiring client.crt',
  about: 'certificates',
};

function message(change: Partial<Message> = {}): Message {
  const notification = {
    now: REJECTED,
    before: WELL,
    status: 'critical' as const,
    sentence: REJECTED.sentence,
    advice: 'does <the upstream> know the CA & its name?',
    atMs: EPOCH_MS,
  };
  return { ...messageOf('an-id', notification), ...change };
}

const OVER = message({
  kind: 'well',
  now: WELL,
  status: 'ok',
  before: REJECTED,
  sentence: 'all is well',
  atMs: EPOCH_MS + HOUR_MS,
});
const TEST = testMessage('an-id', EPOCH_MS);

/** `postableAlerts` of Alertmanager's api/v2/openapi.yaml. */
const LABELS = { type: 'object', additionalProperties: { type: 'string' } };
const POSTABLE_ALERTS = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      startsAt: { type: 'string', format: 'date-time' },
      endsAt: { type: 'string', format: 'date-time' },
      annotations: LABELS,
      labels: LABELS,
      generatorURL: { type: 'string', format: 'uri' },
    },
    required: ['labels'],
    additionalProperties: false,
  },
};

const ALERTS = v.array(
  v.object({
    labels: v.record(v.string(), v.string()),
    annotations: v.record(v.string(), v.string()),
    startsAt: v.string(),
    endsAt: v.string(),
  }),
);

const matches = formats.default(new Ajv({ strict: true })).compile(POSTABLE_ALERTS);

function alerts(of: Message, delivered: Message['now'] = of.before) {
  const { body, endpoint, headers } = FORMATS.alertmanager(of, SENDER, delivered);
  expect(endpoint).toBe('/api/v2/alerts');
  expect(headers).toEqual({ 'Content-Type': 'application/json' });
  const json: unknown = JSON.parse(body);
  expect(matches(json), JSON.stringify(matches.errors)).toBe(true);
  return v.parse(ALERTS, json);
}

describe('the format json', () => {
  it('is one object in which everything stands by its own name', () => {
    const { headers, body } = FORMATS.json(message(), SENDER, WELL);
    expect(headers).toEqual({ 'Content-Type': 'application/json' });
    expect(JSON.parse(body)).toEqual({
      schema_version: 1,
      id: 'an-id',
      kind: 'problem',
      status: 'critical',
      previous_status: 'ok',
      cause: 'client_cert_rejected',
      about: 'upstream',
      summary: 'the upstream refuses the client certificate',
      advice: 'does <the upstream> know the CA & its name?',
      since: '2026-03-01T12:00:00.000Z',
      at: '2026-03-01T12:00:00.000Z',
      host: 'edge-1',
      broker: 'mosquitto',
      version: '1.2.3',
    });
  });

  it('has every key always: what is not known is null', () => {
    expect(JSON.parse(FORMATS.json(OVER, SENDER, WELL).body)).toMatchObject({
      kind: 'well',
      status: 'ok',
      previous_status: 'critical',
      cause: null,
      about: null,
      since: null,
    });
    expect(JSON.parse(FORMATS.json(TEST, SENDER, WELL).body)).toMatchObject({ kind: 'test', status: 'ok' });
  });
});

/** https://docs.ntfy.sh/publish/: what each header may be. */
const NTFY_HEADERS = v.strictObject({
  'Content-Type': v.literal('text/plain; charset=utf-8'),
  Title: v.pipe(v.string(), v.regex(/^[\x20-\x7e]+$/)),
  Priority: v.picklist(['1', '2', '3', '4', '5']),
  Tags: v.picklist(['rotating_light', 'warning', 'white_check_mark']),
});

describe('the format ntfy', () => {
  it.each([
    [message(), 'mosquitto on edge-1: critical', '5', 'rotating_light'],
    [message({ now: EXPIRING, status: 'warning' }), 'mosquitto on edge-1: warning', '4', 'warning'],
    [OVER, 'mosquitto on edge-1: well again', '3', 'white_check_mark'],
    [TEST, 'mosquitto on edge-1: test', '3', 'white_check_mark'],
  ])('has title, priority and tag in its headers (%#)', (of, title, priority, tags) => {
    const { headers, body, endpoint } = FORMATS.ntfy(of, SENDER, WELL);
    expect(v.parse(NTFY_HEADERS, headers)).toMatchObject({ Title: title, Priority: priority, Tags: tags });
    expect(body.split('\n').slice(0, 2)).toEqual([of.sentence, of.advice]);
    expect(endpoint).toBeUndefined();
  });

  it('says what is over, also where something is left below the level that was asked for', () => {
    const left = message({
      kind: 'well',
      now: WELL,
      before: REJECTED,
      status: 'warning',
      sentence: 'it expires soon',
    });
    expect(FORMATS.ntfy(OVER, SENDER, REJECTED).body).toMatch(/^all is well\n.*\nover: the upstream refuses/);
    expect(FORMATS.ntfy(left, SENDER, REJECTED).headers).toMatchObject({
      Title: 'mosquitto on edge-1: no longer critical',
      Tags: 'warning',
    });
  });

  it('encodes a title that no header can hold as RFC 2047 has it', () => {
    const { headers } = FORMATS.ntfy(message(), { ...SENDER, host: 'brücke\r\nX-Evil: 1' }, WELL);
    const { Title } = v.parse(NTFY_HEADERS, headers);
    const [, base64 = ''] = /^=\?UTF-8\?B\?([A-Za-z0-9+/=]+)\?=$/.exec(Title) ?? [];
    expect(Buffer.from(base64, 'base64').toString()).toContain('brücke');
  });

  it('stays below the size from which on ntfy makes an attachment of it', () => {
    const long = 'ü'.repeat(10_000);
    const of = messageOf('an-id', {
      now: REJECTED,
      before: WELL,
      status: 'critical' as const,
      sentence: long,
      advice: long,
      atMs: EPOCH_MS,
    });
    expect(Buffer.byteLength(FORMATS.ntfy(of, SENDER, WELL).body)).toBeLessThan(4_096);
  });
});

describe('the format slack', () => {
  it('is one object with a text, in which the signs that Slack takes for its own are spelled out', () => {
    const { headers, body } = FORMATS.slack(message(), SENDER, WELL);
    expect(headers).toEqual({ 'Content-Type': 'application/json' });
    expect(v.parse(v.strictObject({ text: v.string() }), JSON.parse(body)).text).toBe(
      ':rotating_light: *mosquitto on edge-1: critical*\nthe upstream refuses the client certificate\ndoes &lt;the upstream&gt; know the CA &amp; its name?',
    );
  });

  it('calls nobody, whatever a certificate is named', () => {
    const { body } = FORMATS.slack(message({ sentence: 'CN=<!channel>' }), SENDER, WELL);
    expect(body).not.toContain('<!channel>');
  });
});

describe('the format alertmanager', () => {
  it('is an alert that goes on until it is told to be over', () => {
    expect(alerts(message())).toEqual([
      {
        labels: {
          alertname: 'MosquittoCertWatcher',
          severity: 'critical',
          cause: 'client_cert_rejected',
          about: 'upstream',
          instance: 'edge-1',
          broker: 'mosquitto',
        },
        annotations: {
          summary: 'the upstream refuses the client certificate',
          description: 'does <the upstream> know the CA & its name?',
        },
        startsAt: '2026-03-01T12:00:00.000Z',
        endsAt: '2027-03-01T12:00:00.000Z',
      },
    ]);
  });

  it('is the end of the alert that was delivered when all is well again, with the same labels', () => {
    const [begun] = alerts(message());
    expect(alerts(OVER)).toEqual([
      expect.objectContaining({ labels: begun?.labels, endsAt: '2026-03-01T13:00:00.000Z' }),
    ]);
  });

  it('is the end of one alert and the beginning of another when the cause changes', () => {
    const [before, now] = alerts(message({ now: EXPIRING, before: REJECTED, atMs: EPOCH_MS + HOUR_MS }));
    expect(before).toMatchObject({
      labels: { cause: 'client_cert_rejected' },
      endsAt: '2026-03-01T13:00:00.000Z',
    });
    expect(now).toMatchObject({ labels: { cause: 'cert_expiring client.crt', severity: 'warning' } });
  });

  it('ends what was delivered, not what was lost on the way', () => {
    const [before] = alerts(message({ now: EXPIRING, before: { ...REJECTED, cause: 'lost' } }), REJECTED);
    expect(before).toMatchObject({ labels: { cause: 'client_cert_rejected' } });
  });

  it('ends no alert before it has begun, also where the clock was set back', () => {
    const [over] = alerts({ ...OVER, atMs: EPOCH_MS - HOUR_MS });
    expect(over?.endsAt).toBe(over?.startsAt);
  });

  it('is a test that ends by itself', () => {
    expect(alerts(TEST)).toEqual([
      expect.objectContaining({
        labels: expect.objectContaining({ alertname: 'MosquittoCertWatcherTest', severity: 'info' }),
        endsAt: '2026-03-01T12:01:00.000Z',
      }),
    ]);
  });
});
