/**
 * What the program has in its environment besides its settings, where tests start it from its sources: more than half of
 * such a start is spent on removing types and compiling, which is the same each time. Who may not write there does without.
 */

import { fileURLToPath } from 'node:url';

export const COMPILE_CACHE = {
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url)),
} as const;
