/** What is reported about the set of a listener, regardless of the verdict. */

import { isSteady } from '../model/broker.ts';
import { presents } from '../model/presented.ts';
import { asksUpstream, comparesSetsAt, isComparedAt, listenerOf } from '../model/settings.ts';
import { liveFiles, type Situation, viewOf } from '../situation.ts';
import { hostPort } from '../text/address.ts';
import { timestamp } from '../text/timestamp.ts';
import type { Condition, Statement } from './condition.ts';
import { ofNamed } from './sets.ts';

/** A listener that does not present the set that its broker has, or does not answer while its broker is well. */
export function ofListeners(situation: Situation): Condition[] {
  const { name, memory, settings, files } = situation;
  if (isComparedAt(settings, name)) return ofListener(situation, OF_ONE);
  if (!comparesSetsAt(settings, name)) return [];
  return (files.sets ?? []).flatMap((named) => {
    // one that has never answered cannot be reached from here, which is nobody's fault
    if (named.listensAt === undefined || memory.presentedBy?.seen[named.name]?.hasAnswered !== true)
      return [];
    const { host } = listenerOf(settings, name) ?? named.listensAt;
    const words = { ...OF_SEVERAL, address: `mqtts://${hostPort({ ...named.listensAt, host })}` };
    return ofListener(viewOf(situation, named), words).map((condition) => ofNamed(condition, named.name));
  });
}

/** What to do about a listener, and where it is, if `BROKER_URL` does not say it. */
interface Words {
  readonly address?: string;
  readonly whyAnother: string;
  readonly whyNone: string;
}

function ofListener(situation: Situation, words: Words): Condition[] {
  const { memory, now, settings } = situation;
  const { presented, lastAnswer, lastRestartMonoMs, start } = memory;
  if (presented === undefined || start !== undefined) return [];
  const settledMonoMs = (lastRestartMonoMs ?? Number.NEGATIVE_INFINITY) + settings.verifyTimeoutMs;
  if (presented.at.monoMs < settledMonoMs || lastAnswer?.answer.ok !== true) return [];
  if (!isSteady(lastAnswer.answer.value, now.wallMs)) return [];
  return presented.seen.ok ? outdated(situation, words) : [unknown(situation, presented.seen.problem, words)];
}

function outdated(situation: Situation, { address = addressOf(situation), whyAnother }: Words): Statement[] {
  const { name, memory, site } = situation;
  const files = liveFiles(situation);
  const seen = memory.presented?.seen;
  if (files.kind !== 'complete' || seen?.ok !== true || presents(seen, files)) return [];
  const isApplied = memory.applied?.fingerprint === files.fingerprint;
  // files that have just changed are what the broker is about to get
  if (!isApplied || site.sighting?.identity !== situation.files.identity) return [];
  const what = seen.subject === '' ? 'another certificate' : seen.subject;
  const until = Number.isNaN(seen.notAfterMs) ? undefined : timestamp(seen.notAfterMs);
  return [
    {
      event: 'listener_outdated',
      about: name,
      subject: `${files.fingerprint} ${seen.leaf}`,
      details: {
        container: name,
        listener: address,
        fingerprint: files.fingerprint,
        presented: seen.subject,
        presented_not_after: until,
      },
      message: `the listener ${address} of ${name} does not present the certificate in ${files.leafFile}, but ${what}${until === undefined ? '' : `, valid until ${until}`}`,
      hint: whyAnother,
    },
  ];
}

/** The same for a listener that the broker's configuration names. */
export const WHY_ANOTHER_OF_SEVERAL =
  'see whether something else listens there, or a proxy before it, and whether the broker was started with this configuration';

/** What to do about a listener that presents another certificate. */
export const WHY_ANOTHER =
  'see whether the certfile of this listener in mosquitto.conf is the file in CERT_DIR, and whether BROKER_URL leads to this listener and not to a proxy before it';

const OF_ONE: Words = {
  whyAnother: WHY_ANOTHER,
  whyNone: 'check BROKER_URL, and the port of the listener in mosquitto.conf',
};

const OF_SEVERAL: Words = {
  whyAnother: WHY_ANOTHER_OF_SEVERAL,
  whyNone: 'see the log of the broker, and whether it was started with this configuration',
};

function unknown(
  situation: Situation,
  problem: string,
  { address = addressOf(situation), whyNone }: Words,
): Statement {
  const { name } = situation;
  return {
    event: 'watch_degraded',
    about: `listener of ${name}`,
    subject: 'unknown',
    details: { part: 'listener', container: name },
    message: `it is unknown which certificate the listener of ${name} presents: ${address} ${problem}`,
    hint: whyNone,
  };
}

/** `mqtts://broker:8883` */
function addressOf({ settings, name }: Situation): string {
  const url = listenerOf(settings, name);
  return url === undefined ? '' : `mqtts://${hostPort(url)}`;
}

/** Where there is no upstream, only this keeps key and certificate from being compared. */
export function ofPair({ site, settings }: Situation): Statement[] {
  const verdict = site.lastVerdict?.verdict;
  if (asksUpstream(settings) || verdict?.ok !== false || verdict.keyUnreadable !== true) return [];
  return [
    {
      event: 'watch_degraded',
      about: 'private key',
      subject: verdict.error,
      details: { part: 'private_key' },
      message: `whether key and certificate belong together is not looked at: ${verdict.error}`,
      hint: verdict.hint,
    },
  ];
}
