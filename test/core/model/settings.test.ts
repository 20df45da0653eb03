/** Whose listeners can be compared with the sets of a configuration. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { comparesSetsAt, type Settings } from '../../../src/core/model/settings.ts';

const url = (port: number) => ({ host: 'broker', port, tls: true });
const pair = { kind: 'containers', names: ['left', 'right'] } as const;

describe('the listeners that a configuration names', () => {
  it.each<[string, Partial<Settings>, boolean]>([
    ['the only container', { target: { kind: 'containers', names: ['left'] } }, true],
    ['the only unit', { target: { kind: 'unit', name: 'left' } }, true],
    ['one of two with an address each', { target: pair, brokerUrls: [url(1), url(2)] }, true],
    ['one of two without addresses', { target: pair }, false],
    ['one of two with one address', { target: pair, brokerUrls: [url(1)] }, false],
    ['one of those with a label', { target: { kind: 'label', label: 'broker' } }, false],
    ['a service of a swarm', { target: { kind: 'service', name: 'left' } }, false],
  ])('are compared, or not: %s', (_, change, expected) => {
    const settings = fix.settings({ mosquittoConf: '/mosquitto.conf', ...change });
    expect(comparesSetsAt(settings, 'left')).toBe(expected);
  });

  it('are nobody’s without a configuration', () => {
    expect(comparesSetsAt(fix.settings(), 'eclipse-mosquitto')).toBe(false);
  });
});
