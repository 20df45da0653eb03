/** Where things are in the working tree. */

import { join, resolve } from 'node:path';

export const PROGRAM = 'mosquitto-cert-watcher';

export const ROOT = resolve(import.meta.dirname, '../..');
export const DIST = join(ROOT, 'dist');
export const MODULES = join(ROOT, 'node_modules');

/** What was downloaded and verified; it goes when node_modules goes. */
export const CACHE = join(MODULES, '.cache', 'shipping');
