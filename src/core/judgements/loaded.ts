/** Judgements of whether the broker already has the set. */

import { loaded } from '../memory/memory.ts';
import { isPresented } from '../memory/presented.ts';
import { startedAfter } from '../model/broker.ts';
import { changedSets, type SetSituation } from '../situation.ts';
import type { Verdict } from './verdict.ts';

export function unchanged({ isLoaded, broker }: SetSituation): Verdict | undefined {
  if (!isLoaded || broker?.ok === true) return undefined;
  return { sentence: 'the broker has these certificates; nothing to do' };
}

/** Only once key and certificate are known to belong together: for a half-renewed set it proves nothing. */
export function brokerAlreadyCurrent(situation: SetSituation): Verdict | undefined {
  const { isLoaded, isPairUnknown, name, broker, files, memory } = situation;
  if (!isLoaded || isPairUnknown || broker?.ok !== true) return undefined;
  const { startedAt } = broker.value;
  const presentedBy = changedSets(situation).map((named) => named.name);
  const isSignalled =
    files.sets === undefined
      ? isPresented(memory, files) && !startedAfter(broker.value, files.newestCtimeMs)
      : presentedBy.length > 0;
  const has = isSignalled ? 'its listener presents them' : 'has read these files';
  return {
    sentence:
      broker.value.kind === 'service'
        ? `${name} runs with these files`
        : `the broker was started at ${startedAt} and ${has}`,
    step: {
      kind: 'adopt',
      container: name,
      startedAt,
      ...loaded(files),
      ...(isSignalled && { isPresented: true }),
      ...(presentedBy.length > 0 && { presentedBy }),
    },
  };
}
