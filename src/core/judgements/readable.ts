/** Judgement of what the broker's own user may read (BROKER_USER). */

import type { Obstacle } from '../model/files.ts';
import type { BrokerUser } from '../model/settings.ts';
import type { Statement } from '../news/condition.ts';
import { changedViews, liveFiles, type SetSituation, type Situation } from '../situation.ts';
import type { Verdict } from './verdict.ts';

/**
 * Mosquitto drops its rights before it reads certificates, also when it was started as root: a restart would leave it
 * down, and a signal would end it or change nothing.
 */
export function setUnreadable(situation: SetSituation): Verdict | undefined {
  const { files, name, settings } = situation;
  const obstacles = obstaclesOf(situation);
  if (settings.brokerUser === undefined || obstacles.length === 0) return undefined;
  const user = userText(settings.brokerUser);
  const unreadable: Statement = {
    event: 'set_unreadable_by_broker',
    subject: `${files.fingerprint} ${obstacles.map(({ path, problem }) => `${path} ${problem}`).join('; ')}`,
    details: {
      container: name,
      fingerprint: files.fingerprint,
      user,
      files: obstacles.map(({ file, path, problem }) => ({ file, path, problem })),
    },
    message: `${name} could not read the set: ${unreadableSentence(user, obstacles)}; nothing is applied until that is fixed`,
    hint: fixOf(obstacles),
  };
  return { sentence: unreadable.message, conditions: [unreadable], pending: true };
}

/** Of the files that the broker would read next. */
function obstaclesOf(situation: SetSituation): readonly Obstacle[] {
  if (situation.files.sets !== undefined) {
    return changedViews(situation).flatMap(({ files }) =>
      files.kind === 'complete' ? (files.unreadable ?? []) : [],
    );
  }
  const files: Situation['files'] = situation.isToBePromoted ? situation.files : liveFiles(situation);
  return (files.kind === 'complete' ? files.unreadable : undefined) ?? [];
}

/** `1883:1883` */
export function userText({ uid, gid }: BrokerUser): string {
  return `${uid}:${gid}`;
}

/** What the user cannot read, and why. */
export function unreadableSentence(user: string, obstacles: readonly Obstacle[]): string {
  const paths = [...new Map(obstacles.map((obstacle) => [obstacle.path, obstacle])).values()];
  return `user ${user} is kept out, ${paths.map(({ path, problem }) => `${path} ${problem}`).join('; ')}`;
}

/** The commands that fix it, each once. */
export function fixOf(obstacles: readonly Obstacle[]): string {
  return [...new Set(obstacles.map(({ fix }) => fix))].join(' && ');
}
