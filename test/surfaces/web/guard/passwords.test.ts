import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Answer } from '../../../../src/surfaces/web/answer.ts';
import { createPasswords } from '../../../../src/surfaces/web/guard/passwords.ts';
import type { User, Users } from '../../../../src/surfaces/web/guard/users.ts';
import type { Turns } from '../../../../src/surfaces/web/turns.ts';
import { parseBcrypt } from '../../../../src/system/bcrypt.ts';

function user(text: string): User {
  const hash = parseBcrypt(text);
  if (hash === undefined) throw new Error('no hash');
  return { text, hash };
}

/** The passwords are `U*U` and `U*U*`. */
const ALICE = user('$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW');
const ALICE_LATER = user('$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK');

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;
const RIGHT = basic('alice:U*U');
const WRONG = basic('alice:sesame');

/** Passwords on a clock that the test moves, and whose work takes no time; `jobs` counts what was done in turns. */
function setUp(users: Users = new Map([['alice', ALICE]])) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  let jobs = 0;
  const turns: Turns = {
    add: (job) => {
      jobs++;
      queueMicrotask(() => void job());
    },
    close: () => undefined,
  };
  const passwords = createPasswords(turns);
  onTestFinished(() => passwords.close());
  passwords.use(users);
  const answers: string[] = [];
  const tell = (answer: Answer | undefined) => (answer === undefined ? 'in' : String(answer.status));
  /** Asks, and remembers the answer under this name when it comes. */
  const ask = (authorization: string | undefined, address = '192.0.2.1', name = '') => {
    const refusal = passwords.refusalOf(authorization, address);
    const note = (answer: Answer | undefined) => void answers.push(`${name}${tell(answer)}`);
    if (refusal === undefined) note(undefined);
    else void refusal.then(note);
  };
  /** The work of bcrypt is done, and no time has passed. */
  const work = () => vi.advanceTimersByTimeAsync(0);
  return { passwords, ask, answers, work, jobs: () => jobs };
}

describe('a password', () => {
  it('that is right lets in at once', async () => {
    const { ask, answers, work } = setUp();
    ask(RIGHT);
    await work();
    expect(answers).toEqual(['in']);
  });

  it('that was right once costs no work again', async () => {
    const { ask, answers, work, jobs } = setUp();
    ask(RIGHT);
    await work();
    const before = jobs();
    ask(RIGHT);
    expect(answers).toEqual(['in', 'in']);
    expect(jobs()).toBe(before);
  });

  it.each([
    ['is wrong', WRONG],
    ['is of a user that does not exist', basic('bob:U*U')],
    ['is that of another user', basic('bob:U*U')],
    ['has something behind it', basic('alice:U*U*')],
    ['is empty', basic('alice:')],
  ])('that %s is refused a second later', async (_what, authorization) => {
    const { ask, answers } = setUp();
    ask(authorization);
    await vi.advanceTimersByTimeAsync(999);
    expect(answers).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(answers).toEqual(['401']);
  });

  it('of a user that does not exist is as much work as one that is wrong', async () => {
    const work = async (authorization: string) => {
      const { ask, jobs } = setUp();
      // every round is a turn of its own
      let nowS = 0;
      const clock = vi.spyOn(process, 'hrtime').mockImplementation(() => [nowS++, 0]);
      onTestFinished(() => clock.mockRestore());
      ask(authorization);
      await vi.advanceTimersByTimeAsync(1_000);
      return jobs();
    };
    expect(await work(basic('bob:x'))).toBe(await work(WRONG));
  });

  it.each([
    ['is missing', undefined],
    ['is of another scheme', 'Bearer abc'],
    ['is not encoded as it should be', 'Basic ???'],
    ['has no colon', basic('alice')],
    ['has control characters', basic('alice:U*U\0')],
  ])('that %s is asked for at once, and costs no work', async (_what, authorization) => {
    const { passwords, jobs } = setUp();
    expect(await passwords.refusalOf(authorization, '192.0.2.1')).toMatchObject({
      status: 401,
      headers: { 'WWW-Authenticate': 'Basic realm="mosquitto-cert-watcher", charset="UTF-8"' },
    });
    expect(jobs()).toBe(0);
  });

  it('that is new for a user is verified again, and the old one is wrong', async () => {
    const { passwords, ask, answers, work } = setUp();
    ask(RIGHT);
    await work();
    passwords.use(new Map([['alice', ALICE_LATER]]));
    ask(basic('alice:U*U*'));
    await work();
    ask(RIGHT);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(answers).toEqual(['in', 'in', '401']);
  });

  it('stays known where its file was written again without a change of it', async () => {
    const { passwords, ask, answers, work } = setUp();
    ask(RIGHT);
    await work();
    passwords.use(new Map([['alice', { ...ALICE }]]));
    ask(RIGHT);
    expect(answers).toEqual(['in', 'in']);
  });

  it('of a user that was taken off the list while it was verified lets nobody in', async () => {
    const { passwords, ask, answers } = setUp();
    ask(RIGHT);
    passwords.use(new Map());
    await vi.advanceTimersByTimeAsync(1_000);
    expect(answers).toEqual(['401']);
  });
});

describe('a guesser', () => {
  it('has one guess at a time for an address', async () => {
    const { ask, answers } = setUp();
    ask(basic('alice:1'), '192.0.2.1', 'first ');
    ask(basic('alice:2'), '192.0.2.1', 'second ');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(answers).toEqual(['second 429', 'first 401']);
  });

  it('has one guess at a time for a network of IPv6', async () => {
    const { ask, answers } = setUp();
    ask(basic('alice:1'), '2001:db8:0:1::1', 'first ');
    ask(basic('alice:2'), '2001:db8:0:1:ffff::2', 'second ');
    ask(basic('alice:3'), '2001:db8::1:ffff:0:0:2', 'third ');
    ask(basic('alice:4'), '2001:db8:0:2::1', 'elsewhere ');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(answers).toEqual(['second 429', 'third 429', 'first 401', 'elsewhere 401']);
  });

  it('with many addresses has one guess a second, and twenty that wait', async () => {
    const { ask, answers } = setUp();
    for (let host = 1; host <= 30; host++) ask(basic(`alice:${host}`), `192.0.2.${host}`);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(answers.filter((answer) => answer === '429')).toHaveLength(10);
    expect(answers.filter((answer) => answer === '401')).toHaveLength(5);
  });

  it('keeps nobody out whose password is known', async () => {
    const { ask, answers, work } = setUp();
    ask(RIGHT, '192.0.2.1');
    await work();
    for (let host = 1; host <= 30; host++) ask(basic(`alice:${host}`), `192.0.2.${host}`, 'guess ');
    ask(RIGHT, '192.0.2.1');
    expect(answers).toEqual(['in', 'in']);
  });

  it('keeps nobody waiting longer than for the guesses before', async () => {
    const { ask, answers } = setUp();
    ask(WRONG, '192.0.2.1', 'guess ');
    ask(RIGHT, '192.0.2.2');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(answers).toEqual(['guess 401', 'in']);
  });
});

it('two scrapes that come with the same password are verified as one', async () => {
  const { ask, answers, work } = setUp();
  ask(RIGHT, '192.0.2.1');
  ask(RIGHT, '192.0.2.1');
  await work();
  expect(answers).toEqual(['in', 'in']);
});
