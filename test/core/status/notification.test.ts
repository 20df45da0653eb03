import { describe, expect, it } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { SITUATIONS, situation, snapshotOf, worldIn } from '../../../lab/situations.ts';
import type { NotifyLevel } from '../../../src/core/model/settings.ts';
import type { Publication } from '../../../src/core/status/cycle.ts';
import { createHistory, record } from '../../../src/core/status/history.ts';
import {
  type Notification,
  notificationDue,
  TOLD_NOTHING,
  type Told,
} from '../../../src/core/status/notification.ts';
import type { Snapshot } from '../../../src/core/status/snapshot.ts';

interface Problem {
  readonly level: NotifyLevel;
  readonly cause: string;
}

const WARNING: Problem = { level: 'warning', cause: 'dns' };
const OTHER_WARNING: Problem = { level: 'warning', cause: 'timeout' };
const CRITICAL: Problem = { level: 'critical', cause: 'client_cert_rejected' };

/** A snapshot with this problem and no other, or without any. */
function snapshotWith(problem: Problem | undefined): Snapshot {
  const { snapshot } = createHistory(fix.settings(), fix.at(0));
  if (problem === undefined) {
    const assessment = {
      level: 'ok',
      sentence: 'all is well',
      advice: 'nothing to do',
      findings: [],
    } as const;
    return { ...snapshot, assessment };
  }
  const finding = {
    ...problem,
    about: 'upstream',
    sentence: `because of ${problem.cause}`,
    advice: 'look',
  } as const;
  return { ...snapshot, assessment: { ...finding, findings: [finding] } };
}

/** What is sent of these, one after the other. */
function sent(problems: readonly (Problem | undefined)[], least: NotifyLevel = 'warning'): readonly string[] {
  let told: Told = TOLD_NOTHING;
  return problems.flatMap((problem) => {
    const due = notificationDue(told, snapshotWith(problem), least, fix.at(0));
    if (due === undefined) return [];
    told = due.now;
    return [due.now.level === 'ok' ? 'well' : due.now.cause];
  });
}

describe('a notification', () => {
  it('is due when a problem begins, and when it is over', () => {
    expect(sent([undefined, WARNING, undefined])).toEqual(['dns', 'well']);
  });

  it('is never due while all is well', () => {
    expect(sent([undefined, undefined])).toEqual([]);
  });

  it('is never due twice for the same problem', () => {
    expect(sent([WARNING, WARNING, WARNING])).toEqual(['dns']);
  });

  it('is due again for the same problem when all was well meanwhile', () => {
    expect(sent([WARNING, undefined, WARNING])).toEqual(['dns', 'well', 'dns']);
  });

  it('is due when the level rises', () => {
    expect(sent([WARNING, CRITICAL])).toEqual(['dns', 'client_cert_rejected']);
  });

  it('is due when the level rises for the same cause', () => {
    expect(sent([WARNING, { ...WARNING, level: 'critical' }])).toEqual(['dns', 'dns']);
  });

  it('is not due when the level falls for the same cause', () => {
    expect(sent([{ ...WARNING, level: 'critical' }, WARNING])).toEqual(['dns']);
  });

  it('is due when the cause changes, also for a lower level', () => {
    expect(sent([CRITICAL, WARNING, OTHER_WARNING])).toEqual(['client_cert_rejected', 'dns', 'timeout']);
  });

  it('is due once for each of two causes that take turns', () => {
    expect(sent([WARNING, OTHER_WARNING, WARNING, OTHER_WARNING, undefined])).toEqual([
      'dns',
      'timeout',
      'well',
    ]);
  });

  it('is due when what was told becomes critical again', () => {
    expect(sent([CRITICAL, WARNING, CRITICAL])).toEqual([
      'client_cert_rejected',
      'dns',
      'client_cert_rejected',
    ]);
  });

  it('is not due below the level that was asked for, and a problem that sinks below it is over', () => {
    expect(sent([WARNING, CRITICAL, WARNING, OTHER_WARNING], 'critical')).toEqual([
      'client_cert_rejected',
      'well',
    ]);
  });

  it('remembers a bounded number of causes', () => {
    let told: Told = TOLD_NOTHING;
    for (let number = 0; number < 100; number++) {
      const next = snapshotWith({ level: 'warning', cause: `cause ${number}` });
      told = notificationDue(told, next, 'warning', fix.at(0))?.now ?? told;
    }
    expect(told).toMatchObject({ causes: { length: 16 } });
  });

  it('says since when there has been the problem, also when it gets worse', () => {
    const first = notificationDue(TOLD_NOTHING, snapshotWith(WARNING), 'warning', fix.at(0));
    const worse = snapshotWith({ ...WARNING, level: 'critical' });
    const second = notificationDue(first?.now ?? TOLD_NOTHING, worse, 'warning', fix.at(30_000));
    expect(second).toMatchObject({ now: { sinceMs: fix.at(0).wallMs }, atMs: fix.at(30_000).wallMs });
  });

  it('is due when the loop is stuck, and when it turns again', async () => {
    const { snapshot, now } = await situation('well');
    const later = { wallMs: now.wallMs + 120_000, monoMs: now.monoMs + 120_000 };
    const stuck = notificationDue(TOLD_NOTHING, snapshot, 'warning', later);
    expect(stuck).toMatchObject({ now: { level: 'critical', cause: 'stuck' } });
    expect(notificationDue(stuck?.now ?? TOLD_NOTHING, snapshot, 'warning', now)).toMatchObject({
      now: { level: 'ok' },
    });
  });

  it('is not due before the first look has ended', async () => {
    const { snapshot, now } = await situation('starting');
    expect(notificationDue(TOLD_NOTHING, snapshot, 'warning', now)).toBeUndefined();
  });

  it.each(Object.keys(SITUATIONS))(
    'is due at most once in the situation "%s" for each thing that is wrong',
    async (name) => {
      const { publications } = await situation(name);
      const all = notificationsOf(publications);
      for (const [index, { now, before }] of all.entries()) {
        expect(
          now.level === before.level && 'cause' in now && 'cause' in before && now.cause === before.cause,
        ).toBe(false);
        expect(before).toEqual(all[index - 1]?.now ?? TOLD_NOTHING);
      }
    },
  );

  it('is not due for a rotation that succeeds', async () => {
    const world = await worldIn('well');
    expect(snapshotOf(world).totals.restarts).toBeGreaterThan(0);
    expect(notificationsOf(world.publications)).toEqual([]);
  });
});

/** Everything that is sent of what a loop has published. */
function notificationsOf(publications: readonly Publication[]): readonly Notification[] {
  let history = createHistory(fix.settings(), fix.at(0));
  let told: Told = TOLD_NOTHING;
  return publications.flatMap((publication) => {
    history = record(history, publication);
    if (publication.cycle === undefined) return [];
    const { now } = publication.cycle.decision.situation;
    const due = notificationDue(told, history.snapshot, 'warning', now);
    told = due?.now ?? told;
    return due === undefined ? [] : [due];
  });
}
