import { describe, expect, it } from 'vitest';
import { publishedState } from '../../../lab/fleet.ts';
import { createKeptGateways, type Kind } from '../../../src/adapters/fleet/kept-gateways.ts';
import { MOST_GATEWAYS } from '../../../src/core/model/gateway.ts';

const STATE = Buffer.from(await publishedState('bridge_up'));
const ONLINE = Buffer.from('online');

function fleet() {
  const kept = createKeptGateways();
  kept.beginConnection();
  const hear = (name: string, kind: Kind, payload = kind === 'state' ? STATE : ONLINE, retained = true) =>
    kept.take({ topic: `${name}/${kind}`, payload, retained });
  const pass = (kind: Kind, names: readonly string[]) => {
    kept.beginPass(kind);
    for (const name of names) hear(name, kind);
    return kept.endPass(kind);
  };
  const topics = () => [...kept.all()].map(({ topic }) => topic);
  return { kept, hear, pass, topics };
}

describe('what has been received of a fleet', () => {
  it('is whole when both topics name the same gateways', () => {
    const { kept, pass } = fleet();
    pass('availability', ['a', 'b']);
    expect(kept.isEachWhole()).toBe(false);
    pass('state', ['a', 'b']);
    expect(kept.isEachWhole()).toBe(true);
  });

  it('tells what a pass has brought, and what it lacks of what was there before', () => {
    const { kept, pass } = fleet();
    expect(pass('state', ['a', 'b', 'c'])).toEqual({ news: 3, missing: 0 });
    expect(pass('state', ['a', 'd'])).toEqual({ news: 1, missing: 2 });
    expect(pass('state', ['a', 'b', 'c', 'd'])).toEqual({ news: 0, missing: 0 });
    expect(kept.without('availability')).toEqual(['a', 'b', 'c', 'd']);
  });

  it('forgets a gateway whose messages were removed', () => {
    const { hear, topics } = fleet();
    hear('a', 'availability');
    hear('a', 'state');
    hear('a', 'state', Buffer.alloc(0), false);
    expect(topics()).toEqual(['a']);
    hear('a', 'availability', Buffer.alloc(0), false);
    expect(topics()).toEqual([]);
  });

  it('forgets after another connection what that has not brought', () => {
    const { kept, pass, topics } = fleet();
    pass('state', ['a', 'b']);
    kept.beginConnection();
    pass('state', ['b']);
    expect(topics()).toEqual(['a', 'b']);
    kept.settle();
    expect(topics()).toEqual(['b']);
  });

  it('takes nothing but the two words for an availability', () => {
    const { kept, hear } = fleet();
    const isOnline = (payload: string) => {
      hear('a', 'availability', Buffer.from(payload));
      return kept.get('a')?.isOnline;
    };
    expect(['online', 'offline', 'Online', 'on', 'x'.repeat(99)].map(isOnline)).toEqual([
      true,
      false,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('takes nothing from other topics', () => {
    const { kept } = fleet();
    expect(kept.take({ topic: 'a/homeassistant', payload: ONLINE, retained: true })).toBeUndefined();
    expect(kept.count()).toBe(0);
  });

  it('is no more than is bounded, whatever somebody makes up', () => {
    const { kept, hear } = fleet();
    hear('n'.repeat(513), 'availability');
    expect(kept.isOverflowing()).toBe(true);
    for (let number = 0; number <= MOST_GATEWAYS; number += 1) hear(`made-up-${number}`, 'availability');
    expect(kept.count()).toBe(MOST_GATEWAYS);
  });
});
