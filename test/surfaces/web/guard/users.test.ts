import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { usersOf } from '../../../../src/surfaces/web/guard/users.ts';
import { readRegularFile } from '../../../../src/system/regular-file.ts';
import { temporaryDirectory } from '../../../support/directory.ts';

const HASH = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';

async function read(text: string) {
  const path = join(await temporaryDirectory(), 'users');
  await writeFile(path, text);
  const users = usersOf({ path, read: await readRegularFile(path, Date.now() - 3_600_000) });
  return users.ok
    ? { names: [...users.value.keys()] }
    : { problem: users.problem.replace(path, 'FILE'), hint: users.hint };
}

describe('a file of users', () => {
  it.each([
    ['one line', `alice:${HASH}`],
    ['comments and empty lines', `# who may look\n\nalice:${HASH}\n   \n`],
    ['line ends of Windows and a byte order mark', `\uFEFFalice:${HASH}\r\n`],
    ['a blank behind the colon, as in the YAML of Prometheus', `  alice: ${HASH}\n`],
    ['the prefix $2a$', `alice:${HASH.replace('$2y$', '$2a$')}`],
    ['the prefix $2b$', `alice:${HASH.replace('$2y$', '$2b$')}`],
    ['the least cost', `alice:${HASH.replace('$05$', '$04$')}`],
    ['the highest cost', `alice:${HASH.replace('$05$', '$12$')}`],
  ])('is read with %s', async (_what, text) => {
    expect(await read(text)).toEqual({ names: ['alice'] });
  });

  it('may name several users', async () => {
    expect(await read(`alice:${HASH}\nbob:${HASH}\n`)).toEqual({ names: ['alice', 'bob'] });
  });

  it.each([
    ['no colon', 'line 2 has no user:hash', 'sesame'],
    ['no name', 'line 2 has no user:hash', `:${HASH}`],
    [
      'a password in the clear',
      'line 2 has no bcrypt hash ($2a$, $2b$ or $2y$, a cost, 53 characters)',
      'bob:sesame',
    ],
    ['MD5', 'line 2 has an MD5 hash, not bcrypt', 'bob:$apr1$sesame$x'],
    ['SHA-1', 'line 2 has a SHA-1 hash, not bcrypt', 'bob:{SHA}sesame='],
    ['another scheme', 'line 2 has a hash of another kind than bcrypt', 'bob:$6$sesame$x'],
    [
      'a cost beyond what one password may take',
      'line 2 has the cost 13: 4 to 12 are accepted',
      `bob:${HASH.replace('$05$', '$13$')}`,
    ],
    ['a user for the second time', 'line 2 names the user of line 1 again', `alice:${HASH}`],
  ])(
    'is refused by the number of a line with %s, of which nothing is shown',
    async (_what, problem, line) => {
      const refused = await read(`alice:${HASH}\n${line}\n`);
      expect(refused).toEqual({
        problem: `FILE is not usable: ${problem}`,
        hint: expect.stringContaining('htpasswd -nB'),
      });
      expect(JSON.stringify(refused)).not.toContain('sesame');
    },
  );

  it('is refused with its first five bad lines', async () => {
    const { problem } = await read('a\nb\nc\nd\ne\nf\n');
    expect(problem?.match(/line \d/g)).toEqual(['line 1', 'line 2', 'line 3', 'line 4', 'line 5']);
  });

  it('is refused without a user', async () => {
    expect(await read('# nobody\n')).toMatchObject({ problem: 'FILE names no user' });
  });

  it('is refused with more than a hundred users', async () => {
    const lines = Array.from({ length: 101 }, (_, index) => `user${index}:${HASH}\n`);
    expect(await read(lines.join(''))).toMatchObject({ problem: 'FILE names more than 100 users' });
  });

  it('that is missing is looked for where the setting says', () => {
    const missing = { ok: false, kind: 'missing', problem: 'does not exist' } as const;
    expect(usersOf({ path: '/run/users', read: missing })).toEqual({
      ok: false,
      problem: '/run/users does not exist',
      hint: 'put /run/users in place, or check METRICS_AUTH_FILE and that it is mounted',
    });
  });
});
