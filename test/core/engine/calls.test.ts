import { describe, expect, it } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { neededCalls, unneededPaths } from '../../../src/core/engine/calls.ts';
import type { Settings } from '../../../src/core/model/settings.ts';

const ID = 'b7'.repeat(32);
const LABEL = { kind: 'label', label: 'role=broker' } as const;
const SERVICE = { kind: 'service', name: 'edge_mosquitto' } as const;

function containers(...names: string[]): Settings['target'] {
  return { kind: 'containers', names };
}

/** Whether a proxy that keeps to the needed calls lets this one through. */
function passes(change: Partial<Settings>, method: string, target: string): boolean {
  const [path = '', query = ''] = target.split('?');
  return neededCalls(fix.settings(change)).some(
    (call) =>
      call.method === method &&
      new RegExp(call.path).test(path) &&
      (call.query === undefined || new RegExp(call.query).test(query)),
  );
}

function count(change: Partial<Settings>): number {
  return neededCalls(fix.settings(change)).length;
}

const BROKER = { target: containers('broker') };
const TWO = { target: containers('a', 'b') };
const SIGHUP = { ...BROKER, reloadStrategy: 'sighup' } as const;
const LOOKING = { restartEnabled: false };

describe('the calls that are needed', () => {
  it.each<[string, Partial<Settings>, string, string]>([
    ['the ping', BROKER, 'GET', '/_ping'],
    ['the inspection of the broker', BROKER, 'GET', '/containers/broker/json'],
    ['an API version in front', BROKER, 'GET', '/v1.47/containers/broker/json'],
    ['the restart by id', BROKER, 'POST', `/v1.47/containers/${ID}/restart?t=10`],
    ['the restart of one of two brokers', TWO, 'POST', `/containers/${ID}/restart?t=-1`],
    ['the signal', SIGHUP, 'POST', `/v1.47/containers/${ID}/kill?signal=SIGHUP`],
    ['the restart, should a signal not be enough', SIGHUP, 'POST', `/containers/${ID}/restart?t=10`],
    ['the list by label', { target: LABEL }, 'GET', '/v1.47/containers/json?filters=%7B%7D'],
    ['whichever container has it', { target: LABEL }, 'GET', `/containers/${'b'.repeat(64)}/json`],
    ['its restart', { target: LABEL }, 'POST', `/containers/${ID}/restart?t=10`],
    ['the service', { target: SERVICE }, 'GET', '/v1.47/services/edge_mosquitto'],
    ['its tasks', { target: SERVICE }, 'GET', '/v1.47/tasks?filters=%7B%7D'],
    ['its update', { target: SERVICE }, 'POST', '/v1.47/services/edge_mosquitto/update?version=7'],
  ])('include %s', (_, change, method, path) => {
    expect(passes(change, method, path)).toBe(true);
  });

  it.each<[string, Partial<Settings>, string, string]>([
    ['another container', BROKER, 'GET', '/containers/other/json'],
    ['a container whose name begins so', BROKER, 'GET', '/containers/broker2/json'],
    ['a container whose name ends so', BROKER, 'GET', '/containers/my-broker/json'],
    ['what a dot in the name could stand for', { target: containers('a.b') }, 'GET', '/containers/axb/json'],
    ['the list of containers', BROKER, 'GET', '/containers/json'],
    ['a restart by name, which may lead to a later container', BROKER, 'POST', '/containers/broker/restart'],
    ['a restart by the beginning of an id', BROKER, 'POST', `/containers/${ID.slice(0, 12)}/restart`],
    ['the inspection of a container by its id', BROKER, 'GET', `/containers/${ID}/json`],
    ['a signal to a broker that is restarted', BROKER, 'POST', `/containers/${ID}/kill?signal=SIGHUP`],
    ['SIGKILL', SIGHUP, 'POST', `/containers/${ID}/kill`],
    ['SIGKILL by name', SIGHUP, 'POST', `/containers/${ID}/kill?signal=SIGKILL`],
    ['a second signal', SIGHUP, 'POST', `/containers/${ID}/kill?signal=SIGKILL&signal=SIGHUP`],
    ['a signal after it', SIGHUP, 'POST', `/containers/${ID}/kill?signal=SIGHUP&signal=SIGKILL`],
    ['a signal in other letters', SIGHUP, 'POST', `/containers/${ID}/kill?sig%6eal=KILL&signal=SIGHUP`],
    ['making a container', { target: LABEL }, 'POST', '/containers/create'],
    ['leaving its place in the path', { target: LABEL }, 'POST', '/containers/../restart'],
    ['leaving it in other letters', { target: LABEL }, 'POST', '/containers/a%2f..%2fb/restart'],
    ['another service', { target: SERVICE }, 'POST', '/services/other/update'],
    ['making a service', { target: SERVICE }, 'POST', '/services/create'],
    ['a container while a service is meant', { target: SERVICE }, 'GET', '/containers/edge_mosquitto/json'],
  ])('do not include %s', (_, change, method, path) => {
    expect(passes(change, method, path)).toBe(false);
  });

  it.each<[string, Partial<Settings>, number]>([
    ['one container', BROKER, 3],
    ['two containers', TWO, 4],
    ['a container that gets a signal', SIGHUP, 4],
    ['a label', { target: LABEL }, 4],
    ['a service', { target: SERVICE }, 4],
  ])('are no more than that for %s', (_, change, calls) => {
    expect(count(change)).toBe(calls);
  });

  it.each<[string, Partial<Settings>]>([
    ['a container', BROKER],
    ['a container that would get a signal', SIGHUP],
    ['a label', { target: LABEL }],
    ['a service', { target: SERVICE }],
  ])('change nothing while nothing may be restarted: %s', (_, change) => {
    const calls = neededCalls(fix.settings({ ...change, ...LOOKING }));
    expect(calls.map(({ method }) => method)).not.toContain('POST');
  });

  it.each<[string, Partial<Settings>, RegExp]>([
    ['any container may be restarted', { target: LABEL }, /a proxy cannot see labels/],
    ['an update of a service is as powerful as the engine', { target: SERVICE }, /as the whole engine/],
    ['another signal could kill the broker', SIGHUP, /could kill the broker/],
  ])('say that %s', (_, change, caution) => {
    expect(neededCalls(fix.settings(change)).flatMap((call) => call.caution ?? [])).toEqual([
      expect.stringMatching(caution),
    ]);
  });

  it('for one container are without a caution', () => {
    expect(neededCalls(fix.settings(BROKER)).filter(({ caution }) => caution !== undefined)).toEqual([]);
  });
});

describe('the calls that are tried', () => {
  it.each<[string, Partial<Settings>]>([
    ['a container', BROKER],
    ['a label', { target: LABEL }],
    ['a service', { target: SERVICE }],
  ])('are not among those that are needed: %s', (_, change) => {
    const paths = unneededPaths(fix.settings(change));
    expect(paths.length).toBeGreaterThan(1);
    expect(paths.filter((path) => passes(change, 'GET', path))).toEqual([]);
  });
});
