import { describe, expect, test } from 'vitest';
import { copyrightFile, debianChangelog, homepageField } from '../../scripts/shipping/debian-metadata.ts';

const IDENTITY = { version: '1.2.3', commit: 'abc1234', epochS: 1_790_000_000, source: undefined };

describe('the changelog of the Debian package', () => {
  const changelog = debianChangelog(
    IDENTITY,
    `### Added\n\n- One ${'word '.repeat(40)}\n  more\n- Two\n\n### Fixed\n\n- Three`,
  );

  test('has every item of the section, wrapped', () => {
    expect(changelog.match(/^ {2}\* .*/gm)?.map((line) => line.slice(4).split(' ')[0])).toEqual([
      'One',
      'Two',
      'Three',
    ]);
    expect(changelog.split('\n').filter((line) => line.length > 78 && !line.startsWith(' -- '))).toEqual([]);
  });

  test('begins with the version and ends with the date of the commit', () => {
    expect(changelog).toMatch(/^mosquitto-cert-watcher \(1\.2\.3\) unstable; urgency=medium\n\n/);
    expect(changelog).toMatch(/\n -- .+ <.+@.+> {2}Mon, 21 Sep 2026 14:13:20 \+0000\n$/);
  });

  test('has an item even where there is no section', () => {
    expect(debianChangelog(IDENTITY)).toMatch(/\n\n {2}\* \S/);
  });
});

test('a package of published sources names their address, and no other does', () => {
  expect(homepageField(IDENTITY)).toEqual([]);
  const published = { ...IDENTITY, source: 'https://example.com/it' };
  expect(homepageField(published)).toEqual(['Homepage: https://example.com/it']);
  expect(copyrightFile(published)).toContain('Source: https://example.com/it');
});
