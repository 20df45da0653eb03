/** What the broker's user may read: the same as the kernel says, and the command that fixes what it may not. */

import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBrokerAccess } from '../../src/adapters/broker-access.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { asNobody } from '../support/unprivileged.ts';

/** nobody and its group, on every Linux; other members of the group have no name here */
const NOBODY = { uid: 65_534, gid: 65_534 };
const STRANGER = { uid: 4_711, gid: 4_711 };

/** Only root may give files away. */
const forRoot = process.getuid?.() === 0 ? it : it.skip;

async function openDirectory(): Promise<string> {
  const directory = await temporaryDirectory();
  await chmod(directory, 0o755);
  return directory;
}

const obstacles = (directory: string, names: readonly string[], user = NOBODY, directories = true) =>
  createBrokerAccess(user, directory, names, directories).observe();

describe('what the broker may read', () => {
  forRoot('is what the kernel lets the user read, whatever owner, group and mode are', async () => {
    const directory = await openDirectory();
    const owners = fc.constantFrom(0, NOBODY.uid, STRANGER.uid);
    const groups = fc.constantFrom(0, NOBODY.gid, STRANGER.gid);
    const thing = fc.record({ mode: fc.integer({ min: 0, max: 0o777 }), owner: owners, group: groups });
    const layouts = fc.sample(fc.record({ above: thing, file: thing, linked: fc.boolean() }), 150);
    const names: string[] = [];
    for (const [index, { above, file, linked }] of layouts.entries()) {
      const parent = join(directory, `${index}`);
      const path = join(parent, 'key.pem');
      await mkdir(parent);
      await writeFile(path, 'a key');
      await chown(path, file.owner, file.group);
      await chmod(path, file.mode);
      await chown(parent, above.owner, above.group);
      await chmod(parent, above.mode);
      if (linked) await symlink(`${index}/../${index}/key.pem`, join(directory, `link-${index}`));
      names.push(linked ? `link-${index}` : `${index}/key.pem`);
    }
    const kept = (await obstacles(directory, names)).map(({ file }) => file);
    const readable = await asNobody(
      'readAll',
      names.map((name) => join(directory, name)),
    );
    expect(names.map((name) => !kept.includes(name))).toEqual(readable);
    expect(new Set(kept).size).toBeGreaterThan(10);
  });

  forRoot('is fixed by the command that is told, also where several things are in the way', async () => {
    const directory = await openDirectory();
    const [parent, path] = [join(directory, "agent's files"), join(directory, "agent's files/key.pem")];
    await mkdir(parent, { mode: 0o700 });
    await writeFile(path, 'a key', { mode: 0o600 });
    await symlink("agent's files/key.pem", join(directory, 'privkey.pem'));
    const told: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      const [obstacle] = await obstacles(directory, ['privkey.pem']);
      if (obstacle === undefined) break;
      told.push(obstacle.path);
      execFileSync('/bin/sh', ['-c', obstacle.fix]);
    }
    expect(told).toEqual([parent, path]);
    expect(await asNobody('readAll', [join(directory, 'privkey.pem')])).toEqual([true]);
    expect(await obstacles(directory, ['privkey.pem'], STRANGER)).toHaveLength(1);
  });

  it('is everything for root', async () => {
    const directory = await openDirectory();
    await writeFile(join(directory, 'key.pem'), 'a key', { mode: 0 });
    expect(await obstacles(directory, ['key.pem'], { uid: 0, gid: 0 })).toEqual([]);
  });

  it('names no file that is missing, or whose links lead in a circle: that is told as such', async () => {
    const directory = await openDirectory();
    await symlink('circle', join(directory, 'circle'));
    expect(await obstacles(directory, ['none', 'circle'])).toEqual([]);
  });

  it('names the right that is missing, with owner, group and mode', async () => {
    const directory = await openDirectory();
    const path = join(directory, 'key.pem');
    await writeFile(path, 'a key', { mode: 0o600 });
    const [uid, gid] = [process.getuid?.(), process.getgid?.()];
    expect(await obstacles(directory, ['key.pem'], STRANGER)).toEqual([
      {
        file: 'key.pem',
        path,
        problem: `does not let it read (mode 600, owner ${uid}, group ${gid})`,
        fix: `chgrp 4711 ${path} && chmod g+r ${path}`,
      },
    ]);
  });

  it('leaves out the directories of files that the broker does not read there', async () => {
    const directory = await openDirectory();
    await mkdir(join(directory, 'incoming'), { mode: 0o700 });
    await writeFile(join(directory, 'incoming/key.pem'), 'a key');
    await chmod(join(directory, 'incoming/key.pem'), 0o644);
    const incoming = join(directory, 'incoming');
    expect(await obstacles(incoming, ['key.pem'], STRANGER, false)).toEqual([]);
    expect(await obstacles(incoming, ['key.pem'], STRANGER)).toHaveLength(1);
  });
});
