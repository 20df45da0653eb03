/** Judgements of whether the broker already has the set. */

import { authoritiesOf, marksOf } from '../memory/memory.ts';
import { isPresented } from '../memory/presented.ts';
import { startedAfter } from '../model/broker.ts';
import type { SetSituation } from '../situation.ts';
import type { Verdict } from './verdict.ts';

export function unchanged({ isLoaded, broker }: SetSituation): Verdict | undefined {
  if (!isLoaded || broker?.ok === true) return undefined;
  return { sentence: 'the broker has these certificates; nothing to do' };
}

/** Only once key and certificate are known to belong together: for a half-renewed set it proves nothing. */
export function brokerAlreadyCurrent({
  isLoaded,
  isPairUnknown,
  name,
  broker,
  files,
  memory,
}: SetSituation): Verdict | undefined {
  if (!isLoaded || isPairUnknown || broker?.ok !== true) return undefined;
  const { startedAt } = broker.value;
  const isSignalled = isPresented(memory, files) && !startedAfter(broker.value, files.newestCtimeMs);
  const has = isSignalled ? 'its listener presents them' : 'has read these files';
  return {
    sentence:
      broker.value.kind === 'service'
        ? `${name} runs with these files`
        : `the broker was started at ${startedAt} and ${has}`,
    step: {
      kind: 'adopt',
      container: name,
      fingerprint: files.fingerprint,
      startedAt,
      notAfterMs: files.leaf.notAfterMs,
      authorities: authoritiesOf(files),
      ...(files.sets && { sets: marksOf(files) }),
      ...(isSignalled && { isPresented: true }),
    },
  };
}
