import { describe, expect, test } from 'vitest';
import { sectionOf } from '../../scripts/shipping/changelog.ts';

const CHANGELOG = `# Changelog

## Unreleased

- Not yet

## [1.0.1] - 2026-05-02

### Fixed

- A fault

## 1.0.10

- Ten
`;

describe('the section of a version in the changelog', () => {
  test.for([
    ['1.0.1', '### Fixed\n\n- A fault'],
    ['1.0.10', '- Ten'],
    ['Unreleased', '- Not yet'],
  ] as const)('of %s is what stands below its heading', ([version, section]) => {
    expect(sectionOf(CHANGELOG, version)).toBe(section);
  });

  test.for(['1.0.0', '1.0', '2026-05-02', 'Fixed'])('is missing for %s', (version) => {
    expect(sectionOf(CHANGELOG, version)).toBeUndefined();
  });
});
