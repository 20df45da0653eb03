/** The Debian package without its weight: a few bytes stand for the executable. */

import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDebianPackage } from '../../scripts/shipping/debian-package.ts';
import { sha256Of } from '../../scripts/shipping/file-facts.ts';
import { TARGET_NAMES, targetNamed } from '../../scripts/shipping/target.ts';
import { neededVerbs } from '../../src/core/model/unit.ts';
import { polkitRule } from '../../src/surfaces/terminal/unit-policy.ts';
import { program, skipped } from '../support/needs.ts';
import { REPOSITORY } from '../support/shipping.ts';

const IDENTITY = { version: '1.2.3', commit: 'abc1234', epochS: 1_790_000_000, source: undefined };
const NAME = 'mosquitto-cert-watcher';

const need = program('dpkg-deb');

describe.skipIf(!need.ok)(`the Debian package${skipped(need)}`, () => {
  let directory: string;
  let packages: Readonly<Record<string, string>>;

  async function make(name: (typeof TARGET_NAMES)[number]) {
    const program = join(directory, 'program');
    await writeFile(program, 'not much');
    const own = await mkdtemp(join(directory, 'made-'));
    const parts = { program, notices: 'licences', identity: IDENTITY, directory: own };
    return makeDebianPackage({ target: targetNamed(name), ...parts });
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'debian-package-'));
    const made = await Promise.all(TARGET_NAMES.map(async (name) => [name, await make(name)] as const));
    packages = Object.fromEntries(made);
  });
  afterAll(() => rm(directory, { recursive: true }));

  const field = (name: string, of: string) =>
    execFileSync('dpkg-deb', ['--field', packages[of] ?? '', name], { encoding: 'utf8' }).trim();
  const listing = (of = 'linux-amd64') =>
    execFileSync('dpkg-deb', ['--contents', packages[of] ?? ''], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC' },
    })
      .trim()
      .split('\n');
  const content = (path: string) =>
    execFileSync(
      'sh',
      ['-c', `dpkg-deb --fsys-tarfile "$0" | tar -xO "./$1"`, packages['linux-amd64'] ?? '', path],
      { encoding: 'utf8' },
    );

  test.each([
    ['linux-amd64', 'amd64'],
    ['linux-arm64', 'arm64'],
  ])('for %s has the name, version and architecture that its file is named after', (of, arch) => {
    expect(packages[of]).toMatch(new RegExp(`/${NAME}_1\\.2\\.3_${arch}\\.deb$`));
    expect([field('Package', of), field('Version', of), field('Architecture', of)]).toEqual([
      NAME,
      '1.2.3',
      arch,
    ]);
  });

  test('is the same, byte for byte, whenever it is made and with whatever umask', async () => {
    const before = process.umask(0o077);
    try {
      await chmod(directory, 0o755);
      expect(await sha256Of(await make('linux-arm64'))).toBe(await sha256Of(packages['linux-arm64'] ?? ''));
    } finally {
      process.umask(before);
    }
  });

  test('holds files of root that everybody may read, dated by the commit', () => {
    const date = '2026-09-21 14:13';
    expect(listing().filter((line) => !/^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x) root\/root /.test(line))).toEqual(
      [],
    );
    expect(process.env['TZ'] === undefined ? listing().filter((line) => !line.includes(date)) : []).toEqual(
      [],
    );
  });

  test.each([
    `usr/bin/${NAME}`,
    `usr/lib/systemd/system/${NAME}.service`,
    `usr/lib/sysusers.d/${NAME}.conf`,
    `etc/default/${NAME}`,
    `usr/share/polkit-1/rules.d/50-${NAME}.rules`,
    `usr/share/man/man8/${NAME}.8.gz`,
    `usr/share/bash-completion/completions/${NAME}`,
    `usr/share/zsh/vendor-completions/_${NAME}`,
    `usr/share/fish/vendor_completions.d/${NAME}.fish`,
    `usr/share/doc/${NAME}/copyright`,
    `usr/share/doc/${NAME}/NOTICES.gz`,
  ])('installs %s', (path) => {
    expect(listing().filter((line) => line.endsWith(` ./${path}`))).toHaveLength(1);
  });

  test('keeps what somebody has changed in its settings, and nothing else', () => {
    const files = execFileSync('dpkg-deb', ['--info', packages['linux-amd64'] ?? '', 'conffiles'], {
      encoding: 'utf8',
    });
    expect(files).toBe(`/etc/default/${NAME}\n`);
  });

  test('has the unit of deploy/, without how to install it by hand', async () => {
    const unit = await readFile(join(REPOSITORY, 'deploy', `${NAME}.service`), 'utf8');
    const installed = content(`usr/lib/systemd/system/${NAME}.service`);
    expect(installed).toMatch(/^\[Unit\]\n/);
    expect(unit.endsWith(installed)).toBe(true);
  });

  test('has the rule that `unit-policy` writes for its unit and its user', () => {
    expect(content(`usr/share/polkit-1/rules.d/50-${NAME}.rules`)).toBe(
      polkitRule('mosquitto.service', neededVerbs('restart'), NAME),
    );
  });

  test('has its settings a second time, by which the unit knows that they are as installed', () => {
    expect(content(`usr/share/${NAME}/default`)).toBe(content(`etc/default/${NAME}`));
  });
});
