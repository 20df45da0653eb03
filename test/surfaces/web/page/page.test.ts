import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import * as fix from '../../../../lab/core-fixtures.ts';
import { SITUATIONS, situation, snapshotOf } from '../../../../lab/situations.ts';
import { createWorld } from '../../../../lab/world.ts';
import { REASONS } from '../../../../src/core/decision/diagram.ts';
import { createHistory } from '../../../../src/core/status/history.ts';
import { CONTENT_SECURITY_POLICY, statusPage } from '../../../../src/surfaces/web/page/page.ts';

async function pageOf(name: string): Promise<string> {
  const { snapshot, now } = await situation(name);
  return statusPage(snapshot, '1.2.3', now);
}

/** The labels of the boxes with this class. */
function boxes(page: string, kind: string): string[] {
  return [...page.matchAll(/<g class="box([^"]*)">.*?<text[^>]*>([^<]*)</g)]
    .filter(([, classes]) => classes?.split(' ').includes(kind))
    .map(([, , label]) => label ?? '');
}

describe.each(Object.keys(SITUATIONS))('the status page: %s', (name) => {
  it('lights the path of the last cycle, and marks where it ended', async () => {
    const { snapshot } = await situation(name);
    const page = await pageOf(name);
    const path = snapshot.cycle?.path ?? ['INITIALIZE'];
    const isUnderWay = snapshot.restartingSinceMs !== undefined;
    const shown = isUnderWay ? path.slice(0, path.indexOf('RESTART_MOSQUITTO') + 1) : path;
    const labels = shown.map((state) => state.replaceAll('_', ' '));
    expect(boxes(page, 'lit').toSorted()).toEqual(labels.toSorted());
    expect(boxes(page, 'end')).toEqual(labels.filter((label) => !/^(UPDATE|WAIT) /.test(label)).slice(-1));
  });

  it('says how things stand in words', async () => {
    const { snapshot } = await situation(name);
    const page = await pageOf(name);
    expect(page).toContain(`<section class="verdict level-${snapshot.assessment.level}"`);
    expect(page).toMatch(
      /<title>(OK|Warning|Critical|Starting): certificates of eclipse-mosquitto(, standby)?<\/title>/,
    );
  });

  it('holds nothing that its own policy would forbid', async () => {
    const page = await pageOf(name);
    expect(page).not.toMatch(/\sstyle=|\son[a-z]+=|javascript:|<(iframe|object|embed|form|base)\b/);
    const addresses = [...page.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, address]) => address);
    expect(addresses.filter((address) => !/^(data:image\/svg\+xml,|[a-z.]+$)/.test(address ?? ''))).toEqual(
      [],
    );
  });

  it('is small enough for a gateway', async () => {
    expect((await pageOf(name)).length).toBeLessThan(64 * 1_024);
  });
});

/** The level that the card with this heading is marked with; undefined if it has no mark. */
function markOf(page: string, card: string): string | undefined {
  return new RegExp(`<h2 id="${card}">.*?</h2>`).exec(page)?.[0].match(/class="mark level-(\w+)"/)?.[1];
}

/** The level that colours the box in which the walk ended. */
function endLevelOf(page: string): string | undefined {
  return /diagram-card level-(\w+)/.exec(page)?.[1];
}

/** The page of a loop that has published nothing for an hour. */
async function stuckPageOf(name: string): Promise<string> {
  const { snapshot, now } = await situation(name);
  return statusPage(snapshot, '1.2.3', { wallMs: now.wallMs + HOUR_MS, monoMs: now.monoMs + HOUR_MS });
}

const HOUR_MS = 3_600_000;

describe('the situations that the page is tested with', () => {
  it('are one of every reason for which a cycle ends', async () => {
    const all = await Promise.all(Object.keys(SITUATIONS).map(situation));
    const reasons = new Set(all.map(({ snapshot }) => snapshot.cycle?.reason));
    expect(REASONS.filter((reason) => !reasons.has(reason))).toEqual([]);
  });

  it('light every box of the diagram', async () => {
    const pages = await Promise.all(Object.keys(SITUATIONS).map(pageOf));
    const lit = new Set(pages.flatMap((page) => boxes(page, 'lit')));
    expect(boxes(pages[0] ?? '', 'box').filter((label) => !lit.has(label))).toEqual([]);
  });
});

describe('the status page', () => {
  it.each([
    ['well', { certificates: 'ok', upstream: 'ok', broker: 'ok' }],
    ['starting', { certificates: 'unknown', upstream: 'unknown', broker: 'unknown' }],
    ['rejected', { certificates: 'ok', upstream: 'critical', broker: 'ok' }],
    ['upstream_down', { certificates: 'ok', upstream: 'warning', broker: 'ok' }],
    ['expired', { certificates: 'critical', upstream: 'ok', broker: 'ok' }],
    ['missing', { certificates: 'warning', upstream: 'unknown', broker: 'unknown' }],
    ['crashed', { certificates: 'ok', upstream: 'ok', broker: 'critical' }],
    ['engine_down', { certificates: 'ok', upstream: 'ok', broker: 'critical' }],
    ['restarting', { certificates: 'ok', upstream: 'ok', broker: 'unknown' }],
    ['bridge_down', { certificates: 'ok', upstream: 'ok', broker: 'warning' }],
    ['probe_off', { certificates: 'ok', upstream: undefined, broker: 'ok' }],
  ])('marks certificates, upstream and broker each for itself: %s', async (name, marks) => {
    const page = await pageOf(name);
    const shown = {
      certificates: markOf(page, 'certificates'),
      upstream: markOf(page, 'upstream'),
      broker: markOf(page, 'broker'),
    };
    expect(shown).toEqual(marks);
  });

  it.each([
    ['rejected', 'critical'],
    ['expired', 'critical'],
    ['missing', 'warning'],
    ['crashed', 'ok'],
    ['upstream_down', 'ok'],
    ['starting', 'unknown'],
  ])('paints the box that decided by its own verdict, not by what else is wrong: %s', async (name, level) => {
    expect(endLevelOf(await pageOf(name))).toBe(level);
  });

  it('shows each of several brokers, with what it has', async () => {
    const page = await pageOf('roll_stopped');
    expect(page).toMatch(
      /<td class="mono">eclipse-mosquitto<\/td><td class="tone-critical">has crashed<\/td>/,
    );
    expect(page).toMatch(
      /<td class="mono">standby<\/td><td class="tone-ok">runs<\/td><td>not the current ones</,
    );
  });

  it.each([
    ['bridge_up', /Bridge <span class="mono">edge\.cloud<\/span>: <span class="tone-ok">connected</],
    ['bridge_down', /Bridge <span class="mono">edge\.cloud<\/span>: <span class="tone-warning">down</],
    ['bridge_unknown', /Bridges: <span class="tone-warning">not known<\/span>, mqtt:\/\/broker:1883 refuses/],
  ])('shows bridges where somebody listens: %s', async (name, words) => {
    expect(await pageOf(name)).toMatch(words);
  });

  it('shows what each address of a bridge says of its set', async () => {
    const page = await pageOf('several_sets_two_addresses');
    expect(page).toMatch(/cloud\.example\.com:8883 <span class="tone-ok">accepts it/);
    expect(page).toMatch(
      /tone-warning">The upstream cannot be reached<\/span> <span class="quiet">192\.0\.2\.8:8883/,
    );
  });

  it('says nothing of bridges where nobody listens', async () => {
    expect(await pageOf('well')).not.toMatch(/Bridge/);
  });

  it('gives a hint that several files share once', async () => {
    expect((await pageOf('missing')).split('<p class="quiet">Wait for the agent').length - 1).toBe(1);
  });

  it('tells also those who run no script how long is left', async () => {
    expect(await pageOf('cooldown')).toMatch(/The cooldown ends at [\d:]+ UTC, in <span [^>]+>\d+m\d+s</);
  });

  it.each(Object.keys(SITUATIONS))('counts down to nothing when the watcher is stuck: %s', async (name) => {
    const page = await stuckPageOf(name);
    expect(page).toContain('class="body stuck"');
    expect(page).not.toContain('data-until="');
  });

  it('allows its own script and style by their digests, and nothing else', async () => {
    const page = await pageOf('well');
    for (const tag of ['script', 'style']) {
      const content = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(page)?.[1] ?? '';
      const digest = createHash('sha256').update(content).digest('base64');
      expect(CONTENT_SECURITY_POLICY).toContain(`${tag}-src 'sha256-${digest}'`);
    }
    expect(CONTENT_SECURITY_POLICY).toMatch(/^default-src 'none';/);
    expect(CONTENT_SECURITY_POLICY).not.toContain('unsafe');
  });

  it.each([
    ['a subject', { leaf: fix.certificate({ subject: 'CN=<script>alert(1)</script>' }) }],
    ['an issuer', { leaf: fix.certificate({ issuer: 'CN="><img src=x onerror=alert(1)>' }) }],
    [
      'an authority',
      { authorities: [fix.certificate({ subject: "CN='</style><script>alert(1)</script>" })] },
    ],
  ])('shows %s that is hostile as the text that it is', async (_, set) => {
    const world = createWorld();
    world.write('A', set);
    world.verdict = () =>
      fix.probeFailure({ error: '</title><script>alert(1)</script>', hint: '<b onclick="alert(1)">' });
    world.startWatcher();
    await world.advance(60_000);
    const page = statusPage(snapshotOf(world), '<i>', world.clock.now());
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toMatch(/<img|<b |<i>/);
    expect(page).toContain('&#60;script&#62;alert(1)&#60;/script&#62;');
  });

  it('counts down to the moment at which the wait is over, in the verdict and in the diagram', async () => {
    const { snapshot } = await situation('cooldown');
    const page = await pageOf('cooldown');
    const until = `data-until="${snapshot.cycle?.waitsUntilMs}"`;
    expect(page.split(until).length - 1).toBe(2);
  });

  it('shows a watcher that is stuck as critical, whatever was so before', async () => {
    const { snapshot, now } = await situation('well');
    const page = statusPage(snapshot, '1.2.3', { ...now, monoMs: now.monoMs + 3_600_000 });
    expect(page).toContain('verdict level-critical');
    expect(page).toContain('the watcher is stuck');
  });

  it('says when the next window for restarts opens', async () => {
    const { snapshot, now } = await situation('outside_window');
    const page = statusPage(snapshot, '1.2.3', now);
    expect(page).toContain(
      'Restart window: opens 2026-03-02 01:00:00 UTC, until 2026-03-02 03:00:00 UTC <span class="mono">(Mon-Fri 02:00-04:00, Europe/Berlin)</span>',
    );
    expect(page).toContain('The restart may come at 2026-03-02 01:00:00 UTC, in');
  });

  it.each([
    ['today', -0.5, 'expired today'],
    ['yesterday', -1.5, 'expired 1 day ago'],
    ['in half a day', 0.5, '11 hours left'],
    ['in a day and a half', 1.5, '1 day left'],
  ])('says of a certificate that ends %s: %s', async (_, days, words) => {
    const world = createWorld({ settings: { probeEnabled: false } });
    world.write('A', { leaf: fix.certificate({ notAfterMs: fix.EPOCH_MS + days * fix.DAY_MS }) });
    world.startWatcher();
    await world.advance(1_000);
    expect(statusPage(snapshotOf(world), '1.2.3', world.clock.now())).toContain(words);
  });

  it('is there before the first cycle has ended', () => {
    const { snapshot } = createHistory(fix.settings(), fix.at(0));
    expect(statusPage(snapshot, '1.2.3', fix.at(0))).toContain('verdict level-unknown');
  });
});
