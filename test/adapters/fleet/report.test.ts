import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publishedState } from '../../../lab/fleet.ts';
import { readReport } from '../../../src/adapters/fleet/report.ts';

const GOOD: Record<string, unknown> = JSON.parse(await publishedState('rejected'));

const read = (state: unknown) => readReport(Buffer.from(JSON.stringify(state)));

describe('a state that somebody has published', () => {
  it('is read, with what matters of it', () => {
    expect(read(GOOD)).toMatchObject({
      ok: true,
      report: {
        level: 'critical',
        cause: 'client_cert_rejected',
        isAccepted: false,
        isRotationPending: true,
      },
    });
  });

  it('may have keys that are not known yet', () => {
    expect(read({ ...GOOD, more: { than: ['before'] } })).toMatchObject({ ok: true });
  });

  it('of a newer schema is told as such', () => {
    expect(read({ ...GOOD, schema_version: 2, status: 7 })).toEqual({
      ok: false,
      problem: 'its state has the schema 2, and this program understands up to 1',
    });
  });

  it.each([
    ['no JSON', Buffer.from('{')],
    ['nothing', Buffer.from('null')],
    ['a list', Buffer.from('[]')],
    ['bytes', Buffer.from([0xff, 0, 0x1b])],
    ['endless brackets', Buffer.from('['.repeat(200_000))],
    ['no version', Buffer.from('{"status":"ok"}')],
    ['an unknown status', Buffer.from(JSON.stringify({ ...GOOD, status: 'fine' }))],
    ['a number as summary', Buffer.from(JSON.stringify({ ...GOOD, summary: 1 }))],
    ['no time', Buffer.from(JSON.stringify({ ...GOOD, now: 'yesterday' }))],
    [
      'a thousand certificates',
      Buffer.from(JSON.stringify({ ...GOOD, certificates: { files: Array(1_000).fill({}) } })),
    ],
  ])('that is %s is told as unreadable, and nothing of it is repeated', (_what, payload) => {
    const answer = readReport(payload);
    expect(answer).toMatchObject({ ok: false, problem: expect.stringMatching(/^[\w .,'-]+(: [\w.]+)?$/) });
  });

  it('brings no escape, no invisible character and no endless text to a terminal', () => {
    const nasty = `\u001b]0;owned\u0007\u202e${'x'.repeat(100_000)}`;
    const answer = read({
      ...GOOD,
      summary: nasty,
      advice: nasty,
      version: nasty,
      findings: [{ cause: nasty }],
    });
    if (!answer.ok) throw new Error(answer.problem);
    const { sentence, advice = '', cause = '', version } = answer.report;
    for (const text of [sentence, advice, cause, version]) {
      expect(text.length).toBeLessThanOrEqual(301);
      expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
  });

  it('never throws, whatever it is', () => {
    const anything = fc.oneof(
      fc.json().map((text) => Buffer.from(text)),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.constantFrom(...Object.keys(GOOD)), fc.jsonValue())
        .map(([key, value]) => Buffer.from(JSON.stringify({ ...GOOD, [key]: value }))),
    );
    fc.assert(
      fc.property(anything, (payload) => {
        const answer = readReport(payload);
        expect(typeof answer.ok).toBe('boolean');
      }),
      { numRuns: 2_000 },
    );
  });
});
