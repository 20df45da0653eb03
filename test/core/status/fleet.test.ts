import { describe, expect, it } from 'vitest';
import type { Gateway } from '../../../src/core/model/gateway.ts';
import { fleetOf, statusOf } from '../../../src/core/status/fleet.ts';
import { createFleetChanges } from '../../../src/core/status/fleet-changes.ts';
import { DAY_MS, gateway, MINUTE_MS, NOW, report } from '../../support/gateway-reports.ts';

const of = (change: Partial<Gateway>) => statusOf(gateway(undefined, change), NOW);

describe('a gateway', () => {
  it('is what it says of itself', () => {
    expect(of({})).toMatchObject({ level: 'ok', cause: undefined, daysLeft: 30 });
    const refused = report({ level: 'critical', cause: 'client_cert_rejected', sentence: 'refused' });
    expect(of({ report: refused })).toMatchObject({
      level: 'critical',
      cause: 'client_cert_rejected',
      sentence: 'refused',
    });
  });

  it('has its trouble in one word, without the broker that it is about', () => {
    const down = report({ level: 'critical', cause: 'broker_crashed eclipse-mosquitto' });
    expect(of({ report: down }).cause).toBe('broker_crashed');
  });

  it('is critical once its watcher is offline, whatever it said before', () => {
    expect(of({ isOnline: false })).toMatchObject({ level: 'critical', cause: 'offline' });
    expect(of({ isOnline: false, report: undefined })).toMatchObject({ level: 'critical' });
  });

  it('is critical once it has missed two of its hourly messages', () => {
    const silentFor = (minutes: number) => of({ report: report({ atMs: NOW - minutes * MINUTE_MS }) });
    expect(silentFor(130)).toMatchObject({ level: 'ok' });
    expect(silentFor(131)).toMatchObject({
      level: 'critical',
      cause: 'silent',
      sentence: 'has reported nothing for 2 hours; last reported: all is well',
    });
  });

  it('has a certificate that goes on ending after its last report', () => {
    const expired = of({ report: report({ notAfterMs: NOW }) });
    expect(expired).toMatchObject({ level: 'critical', cause: 'cert_expired', daysLeft: 0 });
    const expiring = of({ report: report({ expiringFromMs: NOW }) });
    expect(expiring).toMatchObject({ level: 'warning', cause: 'cert_expiring' });
    const warned = of({ report: report({ level: 'warning', cause: 'bridge_down', notAfterMs: NOW - 1 }) });
    expect(warned).toMatchObject({ level: 'critical', cause: 'cert_expired', daysLeft: -1 });
  });

  it('is warned of if its clock is ahead, because its silence could not be seen', () => {
    expect(of({ report: report({ atMs: NOW + 4 * MINUTE_MS }) })).toMatchObject({ level: 'ok' });
    expect(of({ report: report({ atMs: NOW + 2 * DAY_MS }) })).toMatchObject({
      level: 'warning',
      cause: 'clock',
      sentence: expect.stringContaining('2 days ahead'),
    });
  });

  it('is unknown without a state, and with one that cannot be read', () => {
    expect(of({ report: undefined })).toMatchObject({ level: 'unknown', cause: 'no_state' });
    expect(of({ report: undefined, problem: 'is not JSON' })).toMatchObject({
      level: 'unknown',
      cause: 'unreadable',
      sentence: 'is not JSON',
    });
  });
});

describe('a fleet', () => {
  const refused = report({ level: 'critical', cause: 'client_cert_rejected', advice: 'trust the CA' });
  const down = report({ level: 'warning', cause: 'bridge_down edge.cloud', advice: 'see the log' });

  it('is grouped by trouble, worst first, and of the same level the largest first', () => {
    const fleet = fleetOf(
      [
        gateway('a/ok'),
        gateway('a/down', { report: down }),
        gateway('a/offline', { isOnline: false }),
        gateway('a/refused-1', { report: refused }),
        gateway('a/nothing', { report: undefined }),
        gateway('a/refused-2', { report: refused }),
      ],
      NOW,
    );
    expect(fleet.groups.map(({ level, cause, members }) => [level, cause, members.length])).toEqual([
      ['critical', 'client_cert_rejected', 2],
      ['critical', 'offline', 1],
      ['warning', 'bridge_down', 1],
      ['unknown', 'no_state', 1],
      ['ok', undefined, 1],
    ]);
    expect(fleet).toMatchObject({
      level: 'critical',
      counts: { critical: 3, warning: 1, unknown: 1, ok: 1 },
    });
  });

  it('shows in each group what to do for most of them, and first whose certificate ends first', () => {
    const ends = (days: number) => report({ ...refused, notAfterMs: NOW + days * DAY_MS });
    const { groups } = fleetOf(
      [
        gateway('edge-10', { report: ends(5) }),
        gateway('edge-9', { report: ends(5) }),
        gateway('edge-1', {
          report: report({ ...refused, notAfterMs: undefined, advice: 'something else' }),
        }),
        gateway('edge-2', { report: ends(1) }),
      ],
      NOW,
    );
    expect(groups[0]?.advice).toBe('trust the CA');
    expect(groups[0]?.members.map(({ topic }) => topic)).toEqual(['edge-2', 'edge-9', 'edge-10', 'edge-1']);
  });

  it('without any gateway is unknown', () => {
    expect(fleetOf([], NOW)).toMatchObject({ level: 'unknown', groups: [] });
  });
});

describe('a change', () => {
  function changing(first: Gateway) {
    const gateways = new Map([[first.topic, first]]);
    const changes = createFleetChanges({ all: () => gateways.values(), get: (topic) => gateways.get(topic) });
    changes.sweep(NOW);
    return { gateways, changes };
  }

  it('is told once, with what was before', () => {
    const { gateways, changes } = changing(gateway('a'));
    gateways.set('a', gateway('a', { isOnline: false }));
    expect(changes.of('a', NOW)).toMatchObject([{ topic: 'a', before: 'ok', now: { level: 'critical' } }]);
    expect(changes.of('a', NOW)).toEqual([]);
  });

  it('is no hourly message that only counts days', () => {
    const { gateways, changes } = changing(gateway('a'));
    gateways.set('a', gateway('a', { report: report({ sentence: 'valid for 29 days', atMs: NOW }) }));
    expect(changes.of('a', NOW)).toEqual([]);
  });

  it('is also what time does to a gateway that says nothing', () => {
    const { changes } = changing(gateway('a'));
    expect(changes.sweep(NOW + 3 * 60 * MINUTE_MS)).toMatchObject([{ now: { cause: 'silent' } }]);
  });

  it('is a gateway that is gone, and one that is new', () => {
    const { gateways, changes } = changing(gateway('a'));
    gateways.delete('a');
    gateways.set('b', gateway('b'));
    expect(changes.sweep(NOW)).toMatchObject([
      { topic: 'a', before: 'ok', now: undefined },
      { topic: 'b', before: undefined, now: { level: 'ok' } },
    ]);
  });
});
