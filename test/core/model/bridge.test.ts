/** Which of the reported bridges is meant, and what is reported of some of them alone. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { reportedBridges, sightOf } from '../../../src/core/model/bridge.ts';

const named = (...connections: string[]) =>
  fix.sight(connections.map((connection) => fix.bridge({ connection })));

describe('the bridge of a connection', () => {
  it.each([
    ['has the name of its host before its own', false, ['edge.cloud'], ['edge.cloud']],
    ['may be any whose name ends so', false, ['edge.cloud', 'other.cloud'], ['edge.cloud', 'other.cloud']],
    ['is none whose name only ends in the same letters', false, ['edge.thecloud', 'cloud'], []],
    ['has its remote_clientid and nothing else', true, ['edge.cloud', 'cloud'], ['cloud']],
  ])('%s', (_, isWhole, all, expected) => {
    const found = reportedBridges(named(...all), { name: 'cloud', isWhole });
    expect(found.map(({ connection }) => connection)).toEqual(expected);
  });
});

describe('what is reported of some bridges', () => {
  it('is unknown where one of them is not reported', () => {
    expect(sightOf(named('a', 'b'), ['a', 'c']).ok).toBe(false);
  });

  it('does not change with what others do', () => {
    const at = (fellAt: number) =>
      fix.sight([fix.bridge({ connection: 'a', roseAt: 3 }), fix.bridge({ connection: 'b', fellAt })], {
        messages: 3,
        lastLive: fellAt,
      });
    expect(sightOf(at(9), ['a'])).toEqual(sightOf(at(5), ['a']));
  });

  it('is nothing where no bridge has to prove anything, whether they are heard or not', () => {
    const unheard = { ok: false, problem: 'gone', hint: 'look' } as const;
    expect(sightOf(unheard, [])).toEqual(sightOf(named('a'), []));
  });
});
