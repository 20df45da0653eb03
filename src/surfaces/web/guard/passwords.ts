/**
 * Who may see the pages: HTTP Basic (RFC 7617) against bcrypt hashes. A password is verified once and remembered as a
 * digest, so that a scrape costs microseconds. Others are verified one at a time, in the turns in which answers are
 * made, with a pause after each wrong one: the loop's own work comes first, whatever an attacker does
 * (docs/decisions/0027-a-guard-before-the-pages.md).
 */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type BcryptHash, bcrypt } from '../../../system/bcrypt.ts';
import { monotonicMs } from '../../../system/monotonic.ts';
import { startTimer } from '../../../system/timer.ts';
import { type Answer, text } from '../answer.ts';
import type { Turns } from '../turns.ts';
import type { User, Users } from './users.ts';

export interface Passwords {
  /** Replaces the users. If a hash has changed, its password is verified again. */
  use(users: Users): void;
  /** The refusal for a client without access; undefined: access is granted. `authorization` is the whole header. */
  refusalOf(authorization: string | undefined, address: string): Promise<Answer | undefined> | undefined;
  /** Ends every timer. */
  close(): void;
}

interface Given {
  readonly user: string;
  readonly password: Buffer;
  /** of both, under a key that only this process knows */
  readonly digest: Buffer;
}

/** The delay after a wrong password, before it is answered and the next unknown one is verified. */
const PAUSE_MS = 1_000;

/** How many clients may wait for their first password to be verified; one per address. */
const MOST_WAITING = 20;

/** The work of one turn. */
const SLICE_MS = 1;

const CHALLENGE = 'Basic realm="mosquitto-cert-watcher", charset="UTF-8"';

export function createPasswords(turns: Turns): Passwords {
  const key = randomBytes(32);
  let users: Users = new Map();
  let decoy: BcryptHash = decoyFor(users);
  /** the digest of the last correct login, by user */
  const remembered = new Map<string, { readonly user: User; readonly digest: Buffer }>();
  /** verifications in progress, by digest: clients that send the same wait for the same answer */
  const underWay = new Map<string, Promise<Answer | undefined>>();
  const sources = new Set<string>();
  let previous: Promise<unknown> = Promise.resolve();
  let pause: NodeJS.Timeout | undefined;

  function refusalOf(
    authorization: string | undefined,
    address: string,
  ): Promise<Answer | undefined> | undefined {
    const given = readBasic(authorization, key);
    if (given === undefined) return Promise.resolve(unauthorized('a user and a password are needed here'));
    const known = remembered.get(given.user);
    if (known !== undefined && timingSafeEqual(known.digest, given.digest)) return undefined;
    const id = given.digest.toString('base64');
    const same = underWay.get(id);
    if (same !== undefined) return same;
    const source = sourceOf(address);
    if (sources.has(source) || sources.size >= MOST_WAITING) return Promise.resolve(TOO_MANY);
    sources.add(source);
    const verdict = inTurn(given).finally(() => {
      sources.delete(source);
      underWay.delete(id);
    });
    underWay.set(id, verdict);
    return verdict;
  }

  /** One after another, including the pause. */
  function inTurn(given: Given): Promise<Answer | undefined> {
    const verdict = previous.then(async () => {
      const user = users.get(given.user);
      // a user that does not exist costs the same, so that the time does not reveal which users exist
      const isRight = (await matches(given.password, user?.hash ?? decoy)) && user !== undefined;
      if (isRight && users.get(given.user) === user) {
        remembered.set(given.user, { user, digest: given.digest });
        return undefined;
      }
      await new Promise<void>((resolve) => {
        pause = startTimer(resolve, PAUSE_MS);
      });
      return unauthorized('this user and password are not known here');
    });
    previous = verdict;
    return verdict;
  }

  function matches(password: Buffer, hash: BcryptHash): Promise<boolean> {
    const work = bcrypt(password, hash);
    return new Promise((resolve) => {
      const goOn = async () => {
        const untilMs = monotonicMs() + SLICE_MS;
        let step = work.next();
        while (step.done !== true && monotonicMs() < untilMs) step = work.next();
        if (step.done === true) resolve(timingSafeEqual(step.value, hash.digest));
        else turns.add(goOn);
      };
      turns.add(goOn);
    });
  }

  return {
    use(current) {
      users = current;
      decoy = decoyFor(users);
      for (const [name, { user }] of remembered) {
        if (users.get(name)?.text !== user.text) remembered.delete(name);
      }
    },
    refusalOf,
    close: () => clearTimeout(pause),
  };
}

const TOO_MANY = text(429, 'too many passwords are being verified: try again in a moment', {
  'Retry-After': '2',
});

function unauthorized(why: string): Answer {
  return text(401, why, { 'WWW-Authenticate': CHALLENGE });
}

/** A hash as expensive as the most expensive one, that belongs to nobody. */
function decoyFor(users: Users): BcryptHash {
  const cost = Math.max(4, ...[...users.values()].map(({ hash }) => hash.cost));
  return { cost, salt: randomBytes(16), digest: randomBytes(23) };
}

/** Undefined: there is no user and password in this header. RFC 7617 allows no control characters in them. */
function readBasic(authorization: string | undefined, key: Buffer): Given | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/_-]+=*)$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  const colon = bytes.indexOf(0x3a);
  if (colon < 0 || bytes.some((byte) => byte < 0x20 || byte === 0x7f)) return undefined;
  return {
    user: bytes.toString('utf8', 0, colon),
    password: bytes.subarray(colon + 1),
    digest: createHmac('sha256', key).update(bytes).digest(),
  };
}

/**
 * An address; for IPv6 the first half of its bits, because a client that has one of these addresses has all of them.
 */
function sourceOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  return [...head, ...zeros, ...tail].slice(0, 4).join(':');
}
