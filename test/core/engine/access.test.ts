import { describe, expect, it } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { explainAccess, judgeAccess, type Trial } from '../../../src/core/engine/access.ts';
import { neededCalls } from '../../../src/core/engine/calls.ts';
import type { Settings } from '../../../src/core/model/settings.ts';

/** One answer for each status, and one failure for each text. */
function access(...answers: (number | string)[]) {
  const trials = answers.map((answer, index): Trial => {
    const path = `/call${index}?limit=1`;
    return typeof answer === 'number' ? { path, status: answer } : { path, problem: answer };
  });
  return judgeAccess(trials);
}

describe('the socket', () => {
  it('grants the whole engine if everything is answered', () => {
    expect(access(200, 204, 200)).toMatchObject({ kind: 'whole_engine' });
  });

  it.each([true, false])('is that of a rootless engine where it says so: %s', (rootless) => {
    const trials = [
      { path: '/info', status: 200, rootless },
      { path: '/images/json', status: 200 },
    ];
    expect(judgeAccess(trials)).toEqual({ kind: 'whole_engine', rootless });
  });

  it('is not called root where the engine was too slow to say whether it is', () => {
    const trials = [
      { path: '/info', problem: 'no answer within 2 s' },
      { path: '/images/json', status: 200 },
    ];
    expect(judgeAccess(trials)).toEqual({ kind: 'whole_engine', rootless: undefined });
  });

  it('grants the whole engine if one call fails for another reason than a refusal', () => {
    expect(access('no answer within 2 s', 200, 500)).toMatchObject({ kind: 'whole_engine' });
  });

  it.each([401, 403, 404, 405])('is restricted if everything is answered with %i', (status) => {
    expect(access(status, status, status)).toEqual({ kind: 'restricted', surplus: [] });
  });

  it('is restricted if one call is refused, and what is answered all the same is named', () => {
    expect(access(200, 403, 200)).toEqual({ kind: 'restricted', surplus: ['GET /call0', 'GET /call2'] });
  });

  it.each([301, 400, 500, 502, 503])('is not known by an engine that says only %i', (status) => {
    expect(access(status, status)).toEqual({
      kind: 'unknown',
      problem: `GET /call0?limit=1: HTTP ${status}`,
    });
  });

  it('is not known without an engine, and the first reason is kept', () => {
    expect(access('there is no socket', 'no more')).toEqual({
      kind: 'unknown',
      problem: 'there is no socket',
    });
  });
});

describe('people', () => {
  const explain = (result: ReturnType<typeof access>, change: Partial<Settings> = {}) =>
    explainAccess(result, neededCalls(fix.settings(change)));

  it('are told how few calls are enough, and which command lists them', () => {
    expect(explain({ kind: 'whole_engine', rootless: false })).toEqual({
      message:
        'this socket grants the whole engine, which is root on its machine; a socket proxy that allows 3 calls is enough',
      hint: 'see mosquitto-cert-watcher socket-policy',
    });
  });

  it('are told that a rootless engine has the rights of its user, and no more', () => {
    const { message } = explain({ kind: 'whole_engine', rootless: true });
    expect(message).toMatch(/has every right of the user who runs it \(rootless\)/);
    expect(message).not.toContain('root on its machine');
  });

  it('are not promised too much of a proxy', () => {
    const target = { kind: 'service', name: 'edge' } as const;
    expect(explain(access(200), { target }).hint).toMatch(/as powerful as the whole engine$/);
  });

  it('are reported for a proxy that could allow less', () => {
    expect(explain(access(403, 200))).toEqual({
      message: 'the socket is restricted, but answers calls that are not needed: GET /call1',
      hint: 'see mosquitto-cert-watcher socket-policy',
    });
  });

  it('have nothing to do about a proxy that allows what is needed', () => {
    expect(explain(access(403))).toEqual({
      message: 'the socket is restricted: calls that are not needed are refused',
    });
  });

  it('are told why it is not known', () => {
    expect(explain(access('there is no socket /x'))).toEqual({
      message: 'what the socket grants is not known: there is no socket /x',
    });
  });
});
