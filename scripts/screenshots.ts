/** Makes the pictures of the status page in docs/images/. Needs Debian's chromium. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { launchBrowser } from '../lab/browser.ts';
import { situation } from '../lab/situations.ts';
import manifest from '../package.json' with { type: 'json' };
import { statusPage } from '../src/surfaces/web/page/page.ts';
import { ROOT } from './shipping/paths.ts';
import { runScript, tell } from './shipping/tell.ts';

const PICTURES = [
  { file: 'status-all-well.png', name: 'well', colorScheme: 'light' },
  { file: 'status-certificate-rejected.png', name: 'rejected', colorScheme: 'dark' },
] as const;

const VIEWPORT = { width: 1_280, height: 800 };

await runScript('screenshots', async () => {
  const directory = join(ROOT, 'docs', 'images');
  await mkdir(directory, { recursive: true });
  const browser = await launchBrowser({ viewport: VIEWPORT });
  try {
    for (const { file, name, colorScheme } of PICTURES) {
      const { snapshot, now } = await situation(name);
      const page = await browser.context.newPage();
      // the page counts, and would look for its watcher: time stands still for the picture
      await page.clock.install({ time: now.wallMs });
      await page.clock.pauseAt(now.wallMs);
      await page.emulateMedia({ colorScheme });
      await page.setContent(statusPage(snapshot, manifest.version, now));
      await page.screenshot({ path: join(directory, file), fullPage: true });
      await page.close();
      tell(join('docs', 'images', file));
    }
  } finally {
    await browser.close();
  }
});
