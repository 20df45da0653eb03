/** RESTART_WINDOW and SIGUSR1 with a real engine and a real broker. */

import { expect } from 'vitest';
import { daysFromNow } from '../../lab/certificates.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { makeSet, nothingFollows, type Stage, settled, test } from '../support/stage.ts';

const HOUR_MS = 3_600_000;

/** `HH:MM` in UTC, so many hours from now. */
function inHours(hours: number): string {
  return new Date(Date.now() + hours * HOUR_MS).toISOString().slice(11, 16);
}

/** A broker that has loaded a set of this life, and a watcher that may restart it from nine to twelve hours from now. */
async function outsideOfWindow(
  stage: Stage,
  loaded: { readonly notBefore?: Date; readonly notAfter?: Date },
) {
  await stage.certs.install(await makeSet(loaded));
  const broker = await stage.broker();
  const daemon = stage.watch(broker, { RESTART_WINDOW: `${inHours(9)}-${inHours(12)}` });
  await daemon.says('broker_already_current');
  // files that are no older than the window are waited for at the start as well
  const deferredBefore = daemon.count('restart_deferred');
  await stage.certs.install(await makeSet());
  return { broker, daemon, deferredBefore };
}

describeWith(ENGINE, 'a rotation outside of RESTART_WINDOW', () => {
  test('waits, until SIGUSR1 comes: then the broker is restarted once', async ({ stage }) => {
    const { broker, daemon, deferredBefore } = await outsideOfWindow(stage, {});
    const { details } = await daemon.says('restart_deferred', { skip: deferredBefore + 1 });
    expect(details).toMatchObject({ reason: 'window' });
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    daemon.signal('SIGUSR1');
    await settled(daemon);
    expect(daemon.count('restart_requested')).toBe(1);
    expect(broker.restarts()).toBe(1);
  });

  test('does not wait where the loaded certificate would expire within the hour', async ({ stage }) => {
    const soon = { notBefore: daysFromNow(-1), notAfter: new Date(Date.now() + HOUR_MS / 2) };
    const { broker, daemon } = await outsideOfWindow(stage, soon);
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});
