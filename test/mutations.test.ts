/**
 * The list of deliberate mistakes that `make mutations` tries. Not beside the model-based tests: it fails wherever such a
 * mistake has been made, and would catch each of them in their place.
 */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from '../bench/mutations/mutations.ts';

describe('every deliberate mistake', () => {
  it.each(MUTATIONS.map((mutation) => [mutation.name, mutation] as const))(
    'has its one place: %s',
    (_, { file, from }) => {
      const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
      expect(text.split(from)).toHaveLength(2);
    },
  );
});
