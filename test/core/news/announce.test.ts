import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { announce, REPEAT_MS, type SaidConditions } from '../../../src/core/news/announce.ts';
import type { Condition } from '../../../src/core/news/condition.ts';
import { EVENTS, type EventName } from '../../../src/core/news/events.ts';

const NOW = 1_000_000;
const NOTHING_SAID: SaidConditions = new Map();

function condition(event: EventName, subject = 'so', about?: string): Condition {
  return { event, subject, details: { subject }, ...(about !== undefined && { about }) };
}

/** What is said in a row of looks, as `event subject` with an exclamation mark where it is news. */
function listen(...looks: readonly (readonly [atMs: number, ...conditions: Condition[]])[]): string[][] {
  let said = NOTHING_SAID;
  return looks.map(([atMs, ...conditions]) => {
    const announced = announce(said, conditions, NOW + atMs);
    said = announced.said;
    return announced.say.map(
      ({ event, details, isNew }) => `${event} ${details['subject']}${isNew ? '!' : ''}`,
    );
  });
}

const PROBLEMS = (Object.keys(EVENTS) as EventName[]).filter((name) => /warn|error/.test(EVENTS[name].level));
const NEWS = (Object.keys(EVENTS) as EventName[]).filter((name) => !PROBLEMS.includes(name));

describe('announce', () => {
  it('says a condition when it begins', () => {
    expect(listen([0, condition('cert_missing')])).toEqual([['cert_missing so!']]);
  });

  it('is quiet while nothing changes', () => {
    const same = condition('cert_missing');
    expect(listen([0, same], [5_000, same], [10_000, same]).slice(1)).toEqual([[], []]);
  });

  it('says a condition again when its subject changes', () => {
    const looks = listen([0, condition('cert_missing', 'a')], [1, condition('cert_missing', 'b')]);
    expect(looks[1]).toEqual(['cert_missing b!']);
  });

  it('does not mind details that change under the same subject', () => {
    const before = announce(NOTHING_SAID, [condition('cert_expiring')], NOW);
    const counted = { ...condition('cert_expiring'), details: { days: 13 } };
    expect(announce(before.said, [counted], NOW + 1).say).toEqual([]);
  });

  it('says a condition as it is now, not as it was when it was said first', () => {
    const before = announce(NOTHING_SAID, [condition('cert_expiring')], NOW);
    const counted = { ...condition('cert_expiring'), details: { days: 13 } };
    expect(announce(before.said, [counted], NOW + REPEAT_MS).say[0]?.details).toEqual({ days: 13 });
  });

  it('takes a condition that has come back for news', () => {
    const same = condition('cert_missing');
    expect(listen([0, same], [1], [2, same])[2]).toEqual(['cert_missing so!']);
  });

  it('tells apart what one event says about two things', () => {
    const looks = listen(
      [0, condition('watch_degraded', 'so', 'a')],
      [1, condition('watch_degraded', 'so', 'a'), condition('watch_degraded', 'so', 'b')],
    );
    expect(looks[1]).toEqual(['watch_degraded so!']);
  });

  it.each(PROBLEMS)('repeats %s once an hour while it stays, and not as news', (event) => {
    const same = condition(event);
    const looks = listen([0, same], [REPEAT_MS - 1, same], [REPEAT_MS, same], [2 * REPEAT_MS - 1, same]);
    expect(looks.slice(1)).toEqual([[], [`${event} so`], []]);
  });

  it.each(NEWS)('never repeats %s, which is no problem', (event) => {
    const same = condition(event);
    expect(listen([0, same], [REPEAT_MS, same], [48 * REPEAT_MS, same]).slice(1)).toEqual([[], []]);
  });

  it('counts the hour again from a change', () => {
    const looks = listen(
      [0, condition('cert_missing', 'a')],
      [REPEAT_MS / 2, condition('cert_missing', 'b')],
      [REPEAT_MS, condition('cert_missing', 'b')],
      [1.5 * REPEAT_MS, condition('cert_missing', 'b')],
    );
    expect(looks.slice(2)).toEqual([[], ['cert_missing b']]);
  });

  it('keeps the order in which the conditions are given', () => {
    const looks = listen([
      0,
      condition('cert_parsed'),
      condition('cert_expiring'),
      condition('restart_held'),
    ]);
    expect(looks[0]).toEqual(['cert_parsed so!', 'cert_expiring so!', 'restart_held so!']);
  });

  it('remembers nothing but what holds now', () => {
    const some = fc.uniqueArray(fc.constantFrom(...PROBLEMS, ...NEWS));
    fc.assert(
      fc.property(fc.array(some, { minLength: 1 }), (looks) => {
        let said = NOTHING_SAID;
        for (const events of looks)
          said = announce(
            said,
            events.map((event) => condition(event)),
            NOW,
          ).said;
        expect(said.size).toBe(looks.at(-1)?.length);
      }),
    );
  });

  it('says a problem that stays for a day 25 times, however often it looks', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), (minutes) => {
        fc.pre(60 % minutes === 0);
        const same = condition('cert_expired');
        const looks = Array.from({ length: (24 * 60) / minutes + 1 }, (_, index) => index * minutes * 60_000);
        const lines = listen(...looks.map((atMs) => [atMs, same] as const)).flat();
        expect(lines).toHaveLength(25);
      }),
    );
  });
});
