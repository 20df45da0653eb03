/** The calls to the engine's API that the settings require: what a socket proxy has to allow. */

import type { Settings } from '../model/settings.ts';

/** One kind of call. `path` and `query` are regular expressions that match the whole string. */
export interface EngineCall {
  readonly method: 'GET' | 'POST';
  /** matches the path as it is sent, without the query */
  readonly path: string;
  /** matches the query as it is sent; undefined: any query, or none */
  readonly query?: string;
  /** what it is for */
  readonly why: string;
  /** what else it allows its caller to do, in a sentence */
  readonly caution?: string;
}

const VERSION = '(/v1\\.[0-9]+)?';

/** Docker's own rule for names; ids are names too. Contains nothing that could escape its segment of the path. */
const ANY_NAME = '[a-zA-Z0-9][a-zA-Z0-9_.-]*';

/**
 * Calls that change a container use its id: a container that was created again is another one. No call that is allowed
 * for containers by name shows the ids of others, and 64 digits cannot be guessed.
 */
const ANY_ID = '[0-9a-f]{64}';

const ANY_CONTAINER = 'a proxy cannot see labels, so this allows restarting any container';
const ANY_SERVICE =
  'an update can change the image and the mounts of the service, so this is as powerful as the whole engine';
/** The engine reads a form in the body before it reads the query. */
const NO_FORM =
  'a proxy has to let a kill through with exactly ?signal=SIGHUP and without a Content-Type: any other signal, also as a form in the body, could kill the broker';

/** Every call that the program may make with these settings, and no other. */
export function neededCalls(settings: Settings): readonly EngineCall[] {
  if (settings.target.kind === 'unit') return [];
  return [get('/_ping', 'the API version'), ...callsForTarget(settings)];
}

function callsForTarget({ target, restartEnabled, reloadStrategy }: Settings): EngineCall[] {
  switch (target.kind) {
    case 'containers':
      return [
        ...target.names.map((name) => inspection(escaped(name))),
        ...(restartEnabled ? [restart()] : []),
        ...(restartEnabled && reloadStrategy === 'sighup' ? [reload()] : []),
      ];
    case 'label':
      return [
        get('/containers/json', 'which containers have the label'),
        inspection(ANY_NAME),
        ...(restartEnabled ? [restart(ANY_CONTAINER)] : []),
      ];
    case 'service':
      return serviceCalls(escaped(target.name), restartEnabled);
    case 'unit':
      return [];
  }
}

function inspection(name: string): EngineCall {
  return get(`/containers/${name}/json`, 'the state of the broker, before and after a restart');
}

function restart(caution?: string): EngineCall {
  return post(`/containers/${ANY_ID}/restart`, 'the restart, by the id that the state has shown', caution);
}

function reload(): EngineCall {
  const call = post(`/containers/${ANY_ID}/kill`, 'the signal to read the certificates again', NO_FORM);
  return { ...call, query: '^signal=SIGHUP$' };
}

function serviceCalls(name: string, restartEnabled: boolean): EngineCall[] {
  const looks = [
    get(`/services/${name}`, 'the specification of the service, and how far its update is'),
    get('/tasks', 'the state of its tasks, before and after an update'),
  ];
  const update = post(`/services/${name}/update`, 'the update that replaces its tasks', ANY_SERVICE);
  return restartEnabled ? [...looks, update] : looks;
}

function get(path: string, why: string): EngineCall {
  return { method: 'GET', path: `^${VERSION}${path}$`, why };
}

function post(path: string, why: string, caution?: string): EngineCall {
  return { method: 'POST', path: `^${VERSION}${path}$`, why, ...(caution !== undefined && { caution }) };
}

/** The name as it appears in a path, as a pattern that matches nothing else. */
function escaped(name: string): string {
  return encodeURIComponent(name).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Calls that change nothing, cost the engine little, and are answered by any engine. */
const HARMLESS = [
  '/info',
  '/containers/json?limit=1',
  '/images/json?filters=%7B%22reference%22%3A%5B%22mosquitto-cert-watcher%22%5D%7D',
] as const;

/**
 * Path to `GET` for the list of containers that is searched for other watchers, once per rotation. The call is not
 * required: if it is refused, the watcher detects others by what they do.
 */
export const RUNNING_CONTAINERS = `/containers/json?filters=${encodeURIComponent('{"status":["running"]}')}`;

/** Paths to `GET` that are harmless, and that the program never needs with these settings. */
export function unneededPaths(settings: Settings): readonly string[] {
  const needed = neededCalls(settings).map(({ path }) => new RegExp(path));
  return HARMLESS.filter((path) => !needed.some((pattern) => pattern.test(withoutQuery(path))));
}

function withoutQuery(path: string): string {
  return path.replace(/\?.*/, '');
}
