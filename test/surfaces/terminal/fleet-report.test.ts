import { describe, expect, it } from 'vitest';
import type { Gateway, GatewayReport } from '../../../src/core/model/gateway.ts';
import { fleetOf } from '../../../src/core/status/fleet.ts';
import { fleetJson, gatewayLine } from '../../../src/surfaces/terminal/fleet-json.ts';
import { type FleetView, fleetLines, levelOf } from '../../../src/surfaces/terminal/fleet-report.ts';
import { gateway as gatewayAt, NOW, report } from '../../support/gateway-reports.ts';

/** A gateway of this name, whose watcher has reported this. */
function gateway(name: string, change: Partial<GatewayReport> = {}): Gateway {
  const sentence = 'eclipse-mosquitto has the current certificates, valid for 30 more days';
  return gatewayAt(`cert-watcher/${name}`, { report: report({ sentence, ...change }) });
}

const refused = (name: string) =>
  gateway(name, {
    level: 'critical',
    cause: 'client_cert_rejected',
    sentence: 'the upstream refuses the client certificate; the restart is held',
    advice: 'let the upstream trust the issuer of client.crt',
  });

function view(gateways: readonly Gateway[], change: Partial<FleetView> = {}): FleetView {
  return {
    broker: 'mqtts://broker.example.com:8883',
    topic: 'cert-watcher/+',
    nowMs: NOW,
    fleet: fleetOf(gateways, NOW),
    count: gateways.length,
    incomplete: undefined,
    trouble: undefined,
    lastChange: undefined,
    ...change,
  };
}

const PLAIN = { color: false, columns: undefined };

describe('the table of a fleet', () => {
  it('shows the worst first, with what to do, and every gateway by its name', () => {
    const lines = fleetLines(view([gateway('edge-1'), refused('edge-2'), refused('edge-3')]), PLAIN);
    expect(lines).toEqual([
      'CRITICAL: 3 gateways: 2 critical, 1 ok',
      'cert-watcher/+ at mqtts://broker.example.com:8883, 2026-11-28T12:00:00Z',
      '',
      'critical 2 gateways, client_cert_rejected: the upstream refuses the client certificate; the restart is held',
      '  try: let the upstream trust the issuer of client.crt',
      '  edge-2  30 d left',
      '  edge-3  30 d left',
      '',
      'ok 1 gateway',
      '  edge-1  30 d left  eclipse-mosquitto has the current certificates, valid for 30 more days',
    ]);
  });

  it('lists twenty of a group, and says how many there are more', () => {
    const many = Array.from({ length: 25 }, (_, index) => gateway(`edge-${index + 1}`));
    const lines = fleetLines(view(many), PLAIN);
    expect(lines.filter((line) => line.startsWith('  edge-'))).toHaveLength(20);
    expect(lines.at(-1)).toBe('  and 5 more: --json lists them all');
  });

  it('says in each row what is particular to it', () => {
    const own = gateway('edge-2', {
      level: 'warning',
      cause: 'dns',
      sentence: 'a is unknown',
      advice: 'check a',
    });
    const other = gateway('edge-3', {
      level: 'warning',
      cause: 'dns',
      sentence: 'b is unknown',
      advice: 'check b',
    });
    expect(fleetLines(view([own, other]), PLAIN).slice(3)).toEqual([
      'warning 2 gateways, dns',
      '  try: check a',
      '  edge-2  30 d left  a is unknown',
      '  edge-3  30 d left  b is unknown',
      '    try: check b',
    ]);
  });

  it.each([20, 34, 50, 60, 80, 120])('is never wider than a terminal of %i columns', (columns) => {
    const name = 'a-gateway-with-a-very-long-name-that-somebody-has-given-it-in-a-weak-hour';
    const gateways = [gateway(name), refused('edge-2'), gateway('edge-3')];
    const trouble = {
      problem: 'mqtts://broker.example.com:8883 has closed the connection',
      hint: 'see its log',
    };
    const lines = fleetLines(view(gateways, { trouble, lastChange: 'x'.repeat(300) }), {
      color: false,
      columns,
    });
    expect(lines.filter((line) => line.length > columns)).toEqual([]);
  });

  it('fits all groups on a screen, as far as that is possible', () => {
    const gateways = Array.from({ length: 60 }, (_, index) =>
      (index < 30 ? refused : gateway)(`edge-${index}`),
    );
    expect(fleetLines(view(gateways), { color: false, columns: 100, rows: 24 }).length).toBeLessThanOrEqual(
      24,
    );
  });

  it('has colours where they are wanted, which do not count as width', () => {
    const [first] = fleetLines(view([gateway('edge-1')]), { color: true, columns: 80 });
    expect(first).toBe('\u001b[32mOK\u001b[0m: 1 gateway, well');
  });

  it('shows nothing of a topic that would drive a terminal', () => {
    const nasty = { ...gateway('edge-1'), topic: 'cert-watcher/\u001b[2J\u202eedge' };
    const text = fleetLines(view([nasty]), PLAIN).join('');
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(fleetJson(view([nasty])).trim()).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

describe('a picture that is not whole', () => {
  it('is unknown if all that is known is well, and says why', () => {
    const partly = view([gateway('edge-1')], { incomplete: 'the picture may be incomplete' });
    expect(levelOf(partly)).toBe('unknown');
    expect(fleetLines(partly, PLAIN)).toContain('the picture may be incomplete');
    expect(levelOf(view([refused('edge-1')], { incomplete: 'it may' }))).toBe('critical');
  });

  it('without any gateway says what may be missing', () => {
    const [first, , advice] = fleetLines(view([]), PLAIN);
    expect(first).toBe('UNKNOWN: no gateway has published at cert-watcher/+');
    expect(advice).toContain('may this user read cert-watcher/+/state');
  });

  it('without an answer says why', () => {
    const trouble = {
      problem: 'mqtts://broker.example.com:8883 refuses the login',
      hint: 'check the password',
    };
    const lines = fleetLines(view([], { trouble }), PLAIN);
    expect(lines[0]).toBe('UNKNOWN: mqtts://broker.example.com:8883 refuses the login');
    expect(lines).toContain('check the password');
  });
});

describe('the JSON of a fleet', () => {
  it('has every gateway, worst first, and the exit code', () => {
    const many = Array.from({ length: 100 }, (_, index) => gateway(`edge-${index}`));
    const document = JSON.parse(fleetJson(view([...many, refused('edge-x')])));
    expect(document).toMatchObject({ status: 'critical', exit_code: 2, complete: true, counts: { ok: 100 } });
    expect(document.gateways).toHaveLength(101);
    expect(document.gateways[0]).toEqual({
      topic: 'cert-watcher/edge-x',
      status: 'critical',
      cause: 'client_cert_rejected',
      summary: 'the upstream refuses the client certificate; the restart is held',
      advice: 'let the upstream trust the issuer of client.crt',
      online: true,
      reported_at: '2026-11-28T11:50:00.000Z',
      days_remaining: 30,
      not_after: '2026-12-28T12:00:00.000Z',
      rotation_pending: false,
      upstream_ok: true,
      bridges_up: true,
      version: '1.2.3',
    });
  });

  it('has a line for a gateway that is gone', () => {
    expect(JSON.parse(gatewayLine('cert-watcher/edge-1', undefined))).toEqual({
      topic: 'cert-watcher/edge-1',
      status: null,
    });
  });
});
