/** The status page in a real Chromium, served as the daemon serves it. */

import axe, { type AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { afterAll, test as base, beforeAll, describe, expect } from 'vitest';
import { type Browser, CHROMIUM, launchBrowser } from '../../lab/browser.ts';
import * as fix from '../../lab/core-fixtures.ts';
import { SITUATIONS, worldIn } from '../../lab/situations.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import type { World } from '../../lab/world.ts';
import { startWeb, type Web } from '../../src/surfaces/web/web.ts';
import { IS_THOROUGH } from '../support/thorough.ts';

const VERSION = '1.2.3';

/** Of a page that nobody has resized. */
const USUAL_SIZE = { width: 1_280, height: 720 };

/** Each third situation; all of them where the test is to be thorough. */
const LOOKED_AT = Object.keys(SITUATIONS).filter((_, index) => IS_THOROUGH || index % 3 === 0);

let browser: Browser;

/** A world whose status page is served, and opened in a page that keeps a record of what goes wrong. */
interface Screen {
  readonly page: Page;
  /** errors in the console, exceptions, and requests to anywhere else than the watcher */
  readonly faults: string[];
  readonly origin: string;
  /** Serves what the world's watcher publishes from now on. */
  catchUp(): void;
  /** Ends the server; the world goes on. */
  takeDown(): void;
  bringUp(): void;
}

interface OpenOptions {
  /** the server's clock is ahead of the last cycle by this */
  readonly stuckForMs?: number;
}

type OnEnd = (undo: () => unknown) => void;

/** Opens the page of this world; `onEnd` is given what closes it again, in the order in which it was opened. */
async function openScreen(world: World, onEnd: OnEnd, options?: OpenOptions): Promise<Screen> {
  const served = await serve(world, onEnd, options);
  const page = await browser.context.newPage();
  onEnd(() => page.close());
  const faults = watchFaults(page, served.origin);
  await page.goto(served.origin);
  return { ...served, page, faults };
}

/** Serves what the world's watcher publishes. */
async function serve(
  world: World,
  onEnd: OnEnd,
  { stuckForMs = 0 }: OpenOptions = {},
): Promise<Omit<Screen, 'page' | 'faults'>> {
  const port = await closedPort();
  const settings = { ...world.settings, metricsHost: '127.0.0.1', metricsPort: port };
  let web: Web | undefined;
  let shown = 0;
  const catchUp = () => {
    for (const publication of world.publications.slice(shown)) web?.show(publication);
    shown = world.publications.length;
  };
  const bringUp = () => {
    web = startWeb({ settings, version: VERSION, now, say: () => undefined });
    shown = 0;
    catchUp();
  };
  const now = () => {
    const { wallMs, monoMs } = world.clock.now();
    return { wallMs: wallMs + stuckForMs, monoMs: monoMs + stuckForMs };
  };
  const takeDown = () => web?.close();
  bringUp();
  onEnd(takeDown);
  return { origin: `http://127.0.0.1:${port}`, catchUp, takeDown, bringUp };
}

/** Collects what closes things again, and does it, last things first. */
function createEnds() {
  const ends: (() => unknown)[] = [];
  return {
    onEnd: (undo: () => unknown) => void ends.push(undo),
    close: async () => {
      for (const end of ends.toReversed()) await end();
    },
  };
}

/** A test that opens pages of its own. Everything is closed when it ends. */
const test = base.extend<{ open: (world: World, options?: OpenOptions) => Promise<Screen> }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads a fixture's needs from the pattern
  open: async ({}, use) => {
    const { onEnd, close } = createEnds();
    await use((world, options) => openScreen(world, onEnd, options));
    await close();
  },
});

function watchFaults(page: Page, origin: string): string[] {
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith('data:')) faults.push(`request: ${url}`);
  });
  return faults;
}

/** What axe finds, as one line each. */
async function axeFindings(page: Page): Promise<string[]> {
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(axe.source);
  // only what is asked about leaves the page
  const run = 'axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations)';
  const violations = await page.evaluate<AxeResults['violations']>(run);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
}

/** What runs in the page is text: this program is type-checked for Node.js, not for browsers. */
const OVERFLOWING = `[...document.querySelectorAll('body *')]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
  .map((element) => element.outerHTML.slice(0, 120))`;

/** Texts that are wider than their place, and end or spill there. */
const CLIPPED = `[...document.querySelectorAll('main *, header *, footer *')]
  .filter((element) => element instanceof HTMLElement && element.className !== 'visually-hidden')
  .filter((element) => element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1)
  .map((element) => element.outerHTML.slice(0, 120))`;

/** Notes in the diagram that a line or a box runs through. */
const CROSSED_NOTES = `{
  const inside = ({ x, y, width, height }, point) =>
    point.x > x && point.x < x + width && point.y > y && point.y < y + height;
  const touch = (a, b) =>
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
  const points = [...document.querySelectorAll('.diagram .edge')].flatMap((edge) =>
    Array.from({ length: edge.getTotalLength() }, (_, at) => edge.getPointAtLength(at)));
  const rectangles = [...document.querySelectorAll('.diagram .box rect')].map((rect) => rect.getBBox());
  [...document.querySelectorAll('.diagram .note')]
    .map((note) => [note.textContent, note.getBBox()])
    .filter(([, area]) => points.some((point) => inside(area, point)) || rectangles.some((rect) => touch(area, rect)))
    .map(([text]) => text);
}`;

/** How the colours of this part are changed. */
const filterOf = (page: Page, place: string) =>
  page.evaluate<string>(`getComputedStyle(document.querySelector('${place}')).filter`);

const FOCUSED = `document.activeElement.getAttribute('href') ?? document.activeElement.className`;

const SMUGGLE_A_SCRIPT = `{
  const script = document.createElement('script');
  script.textContent = 'window.smuggled = true';
  document.body.append(script);
  window.smuggled === true;
}`;

const HOSTILE = `CN=<script>alert(1)</script>,O="><img src=x onerror=alert(2)>,OU=${'long'.repeat(60)}`;

/** A watcher whose certificates and upstream do their worst. */
async function hostileWorld(): Promise<World> {
  const world = await worldIn('well');
  world.verdict = () =>
    fix.probeFailure({ error: '<img src=x onerror=alert(3)>', hint: '</p><script>alert(4)</script>' });
  world.write('hostile', { leaf: fix.certificate({ subject: HOSTILE, issuer: HOSTILE }) });
  await world.advance(60_000);
  return world;
}

describe.skipIf(CHROMIUM === undefined)(
  `the status page in a browser${CHROMIUM === undefined ? ' [skipped: no chromium here]' : ''}`,
  () => {
    beforeAll(async () => {
      browser = await launchBrowser();
    });
    afterAll(() => browser.close());

    // one page for all of them, because a new one takes longer to start than everything that is asked of it
    let page: Page;
    beforeAll(async () => {
      page = await browser.context.newPage();
    });
    afterAll(() => page.close());

    describe.each([...LOOKED_AT, 'hostile'])('%s', (name) => {
      // loaded once: they look at it in several sizes and colours, and change nothing else
      const { onEnd, close } = createEnds();
      let faults: readonly string[];
      beforeAll(async () => {
        const world = name === 'hostile' ? await hostileWorld() : await worldIn(name);
        const { origin } = await serve(world, onEnd);
        await page.setViewportSize(USUAL_SIZE);
        await page.emulateMedia({ colorScheme: null });
        faults = watchFaults(page, origin);
        await page.goto(origin);
      });
      afterAll(async () => {
        // the next situation has another origin
        page.removeAllListeners();
        await page.goto('about:blank');
        await close();
      });

      test('loads without an error and asks nobody else for anything', () => {
        expect(faults).toEqual([]);
      });

      test('has nothing that axe objects to, light or dark', async () => {
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          expect(await axeFindings(page), colorScheme).toEqual([]);
        }
      });

      test('fits into a phone and onto a wall', async () => {
        for (const width of [360, 1_440]) {
          await page.setViewportSize({ width, height: 800 });
          expect(await page.evaluate(OVERFLOWING), `${width} px`).toEqual([]);
          expect(await page.evaluate(CLIPPED), `${width} px`).toEqual([]);
        }
      });

      test('writes its notes where no line and no box of the diagram is', async () => {
        expect(await page.evaluate(CROSSED_NOTES)).toEqual([]);
      });
    });

    test('follows the watcher without being loaded again', async ({ open }) => {
      const world = await worldIn('well');
      const { page, catchUp } = await open(world);
      await page.evaluate('window.isSame = true');
      world.write('99887766554433221100ffeeddccbbaa');
      await world.advance(400_000);
      world.write('00112233445566778899aabbccddeeff');
      await world.advance(3_000);
      catchUp();
      await page.getByText('NOT STABLE').waitFor();
      await page.locator('.box.end', { hasText: 'NOT STABLE' }).waitFor();
      expect(await page.locator('.verdict').textContent()).toMatch(/new certificates have arrived/);
      expect(await page.evaluate('window.isSame')).toBe(true);
      // what is for those who run no script stays asleep
      expect(await page.locator('meta[http-equiv=refresh]').count()).toBe(0);
    });

    test('keeps what somebody has selected or scrolled to when it changes', async ({ open }) => {
      const world = await worldIn('well');
      const { page, catchUp } = await open(world);
      const scroll = page.getByRole('region', { name: 'The last events' });
      await page.setViewportSize({ width: 1_440, height: 500 });
      await scroll.evaluate((element) => element.scrollTo(0, 40));
      world.write('99887766554433221100ffeeddccbbaa');
      await world.advance(3_000);
      catchUp();
      await page.locator('.box.end', { hasText: 'NOT STABLE' }).waitFor();
      expect(await scroll.evaluate((element) => element.scrollTop)).toBe(40);
    });

    test('says that the watcher is gone, and is well again when it is back', async ({ open }) => {
      const { page, takeDown, bringUp } = await open(await worldIn('well'));
      takeDown();
      const gone = page.locator('#gone');
      await gone.filter({ hasText: /^No answer from the watcher since \d\d:\d\d:\d\d UTC\./ }).waitFor();
      expect(await filterOf(page, 'main')).toBe('grayscale(1)');
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await axeFindings(page), colorScheme).toEqual([]);
      }
      bringUp();
      await until('the page to recover', async () => (await gone.textContent()) === '');
      expect(await filterOf(page, 'main')).toBe('none');
    });

    test('takes the colour from what a stuck watcher does not vouch for', async ({ open }) => {
      const world = await worldIn('well');
      const { page, faults } = await open(world, { stuckForMs: 3_600_000 });
      expect(await page.getByRole('status').first().textContent()).toBe('');
      expect(await page.locator('.verdict').textContent()).toMatch(/Critical: the watcher is stuck/);
      expect(await filterOf(page, '.columns')).toBe('grayscale(1)');
      expect([...(await axeFindings(page)), ...faults]).toEqual([]);
    });

    test('counts down to what is waited for', async ({ open }) => {
      const { page } = await open(await worldIn('cooldown'));
      const count = page.locator('.verdict .count');
      const before = await count.textContent();
      expect(before).toMatch(/^\d+:\d\d$/);
      await until('the count to go on', async () => (await count.textContent()) !== before);
    });

    test('shows hostile texts as texts', async ({ open }) => {
      const { page, faults } = await open(await hostileWorld());
      let dialogs = 0;
      page.on('dialog', (dialog) => {
        dialogs += 1;
        return dialog.dismiss();
      });
      await page.reload();
      expect(await page.locator('.subject').first().textContent()).toContain('<script>alert(1)</script>');
      expect({ dialogs, faults }).toEqual({ dialogs: 0, faults: [] });
    });

    test('runs no script but its own, even if one got into it', async ({ open }) => {
      const { page } = await open(await worldIn('well'));
      expect(await page.evaluate(SMUGGLE_A_SCRIPT)).toBe(false);
    });

    test('lets nothing that got into it talk to anybody else', async ({ open }) => {
      const { page } = await open(await worldIn('well'));
      const elsewhere = `fetch('http://127.0.0.1:${await closedPort()}/').catch(() => undefined)`;
      const blocked = `new Promise((resolve) => {
        addEventListener('securitypolicyviolation', ({ violatedDirective }) => resolve(violatedDirective));
        ${elsewhere};
      })`;
      expect(await page.evaluate(blocked)).toBe('connect-src');
    });

    test('lets the keyboard reach the events and every link', async ({ open }) => {
      const { page } = await open(await worldIn('well'));
      const reached: string[] = [];
      for (let press = 0; press < 4; press++) {
        await page.keyboard.press('Tab');
        reached.push(await page.evaluate<string>(FOCUSED));
      }
      expect(reached).toEqual(['scroll', 'status.json', 'metrics', 'healthz']);
    });

    test('tells those who do not see it the path of the last cycle', async ({ open }) => {
      const { page } = await open(await worldIn('rejected'));
      const picture = page.getByRole('img', { name: 'State diagram' });
      expect(await picture.getAttribute('aria-labelledby')).toContain('diagram-path');
      expect(await page.locator('#diagram-path').textContent()).toMatch(/CHECK CERTS, .*TLS PROBE, .* held/);
    });
  },
);
