import { expect, test } from 'vitest';
import { publicAddress } from '../../scripts/shipping/identity.ts';

test.each([
  ['https://git.example.org/edge/watcher.git', 'https://git.example.org/edge/watcher'],
  ['https://user:secret@git.example.org/edge/watcher', 'https://git.example.org/edge/watcher'],
  ['git@git.example.org:edge/watcher.git', 'https://git.example.org/edge/watcher'],
  ['ssh://git@git.example.org/edge/watcher', 'https://git.example.org/edge/watcher'],
  ['/srv/git/watcher', undefined],
  ['file:///srv/git/watcher', undefined],
  [undefined, undefined],
])('a clone of %s is published at %s', (remote, address) => {
  expect(publicAddress(remote)).toBe(address);
});
