import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createHistory } from '../../src/core/snapshot.ts';
import { CONTENT_SECURITY_POLICY, statusPage } from '../../src/surfaces/status-page.ts';
import * as fix from '../support/core-fixtures.ts';
import { SITUATIONS, situation, snapshotOf } from '../support/situations.ts';
import { createWorld } from '../support/world.ts';

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
    const path = snapshot.cycle?.path ?? [];
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
    expect(page).toMatch(/<title>(OK|Warning|Critical|Starting): certificates of eclipse-mosquitto<\/title>/);
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

describe('the status page', () => {
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

  it.each([
    ['today', -0.5, 'expired today'],
    ['yesterday', -1.5, 'expired 1 day ago'],
    ['in half a day', 0.5, 'expires today'],
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
