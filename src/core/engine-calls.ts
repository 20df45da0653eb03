/** The calls of the engine's API that the settings make necessary: what a socket proxy has to let through. */

import type { Settings } from './settings.ts';

/** One kind of call. `path` and `query` are regular expressions for the whole of what they match. */
export interface EngineCall {
  readonly method: 'GET' | 'POST';
  /** matches the path as it is sent, without the query */
  readonly path: string;
  /** matches the query as it is sent; undefined: any, or none */
  readonly query?: string;
  /** what it is for */
  readonly why: string;
  /** what else it lets its caller do, in a sentence */
  readonly caution?: string;
}

const VERSION = '(/v1\\.[0-9]+)?';

/** Docker's own rule for names; ids are names too. Nothing that could lead out of its place in the path. */
const ANY_NAME = '[a-zA-Z0-9][a-zA-Z0-9_.-]*';

const ANY_CONTAINER = 'a proxy cannot see labels, so this allows restarting any container';
const ANY_SERVICE =
  'an update can change the image and the mounts of the service, so this is as powerful as the whole engine';
/** The engine reads a form in the body before it reads the query. */
const NO_FORM =
  'a proxy has to let a kill through with exactly ?signal=SIGHUP and without a Content-Type: any other signal, also as a form in the body, could kill the broker';

/** Every call that the program may make with these settings, and no other. */
export function neededCalls(settings: Settings): readonly EngineCall[] {
  return [get('/_ping', 'the API version'), ...callsForTarget(settings)];
}

function callsForTarget({ target, restartEnabled, reloadStrategy }: Settings): EngineCall[] {
  switch (target.kind) {
    case 'containers':
      return target.names.flatMap((name) => {
        const calls = containerCalls(escaped(name), restartEnabled);
        return restartEnabled && reloadStrategy === 'sighup' ? [...calls, reload(escaped(name))] : calls;
      });
    case 'label':
      return [
        get('/containers/json', 'which containers have the label'),
        ...containerCalls(ANY_NAME, restartEnabled, ANY_CONTAINER),
      ];
    case 'service':
      return serviceCalls(escaped(target.name), restartEnabled);
  }
}

function containerCalls(name: string, restartEnabled: boolean, caution?: string): EngineCall[] {
  const inspect = get(`/containers/${name}/json`, 'the state of the broker, before and after a restart');
  const restart = post(`/containers/${name}/restart`, 'the restart', caution);
  return restartEnabled ? [inspect, restart] : [inspect];
}

function reload(name: string): EngineCall {
  const call = post(`/containers/${name}/kill`, 'the signal to read the certificates again', NO_FORM);
  return { ...call, query: '^signal=SIGHUP$' };
}

function serviceCalls(name: string, restartEnabled: boolean): EngineCall[] {
  const looks = [
    get(`/services/${name}`, 'the specification of the service, and how far its update is'),
    get('/tasks', 'the state of its tasks, before and after an update'),
  ];
  const update = post(`/services/${name}/update`, 'the update that starts its tasks anew', ANY_SERVICE);
  return restartEnabled ? [...looks, update] : looks;
}

function get(path: string, why: string): EngineCall {
  return { method: 'GET', path: `^${VERSION}${path}$`, why };
}

function post(path: string, why: string, caution?: string): EngineCall {
  return { method: 'POST', path: `^${VERSION}${path}$`, why, ...(caution !== undefined && { caution }) };
}

/** The name as it stands in a path, matched by nothing else. */
function escaped(name: string): string {
  return encodeURIComponent(name).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** They change nothing, cost the engine little, and any engine answers them. */
const HARMLESS = [
  '/info',
  '/containers/json?limit=1',
  '/images/json?filters=%7B%22reference%22%3A%5B%22mosquitto-cert-watcher%22%5D%7D',
] as const;

/** Paths to `GET` that are harmless, and that the program never needs with these settings. */
export function unneededPaths(settings: Settings): readonly string[] {
  const needed = neededCalls(settings).map(({ path }) => new RegExp(path));
  return HARMLESS.filter((path) => !needed.some((pattern) => pattern.test(withoutQuery(path))));
}

function withoutQuery(path: string): string {
  return path.replace(/\?.*/, '');
}
