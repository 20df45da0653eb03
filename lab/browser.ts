/** A real Chromium for tests of the status page and for pictures of it. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core';
import { executable } from './real-servers.ts';
import { removeTree } from './remove-tree.ts';

/** Where Debian's Chromium is; undefined if there is none. */
export const CHROMIUM = executable('chromium');

/** Everything that Chromium does unasked on the network is switched off. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Browser {
  readonly context: BrowserContext;
  /** Ends it, and removes its profile. */
  close(): Promise<void>;
}

/** A browser with an empty profile of its own, without a window. */
export async function launchBrowser(options: BrowserContextOptions = {}): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error('there is no chromium here');
  const profile = await mkdtemp(join(tmpdir(), 'chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    args: FLAGS,
    ...options,
  });
  return {
    context,
    close: async () => {
      await context.close();
      await removeTree(profile);
    },
  };
}
