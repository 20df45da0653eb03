/** The options about plugins, of which nothing is kept either. */

import { wordsOf } from './conf-lines.ts';
import { namedListener } from './conf-listener-options.ts';
import {
  booleanFor,
  type Context,
  type Handler,
  isFirst,
  Stop,
  sinceDialect,
  textFor,
} from './conf-scope.ts';
import { type Owner, ofSecurity } from './conf-values.ts';

/** Of `auth_plugin` and its likes: `plugin_opt_NAME value`. */
export function pluginOption({ scope, line, at }: Context): void {
  const { option, rest } = line;
  const name = option.replace(/^(?:auth|plugin)_opt_/, '');
  if (!scope.hasPlugin) throw new Stop(at, `has ${option} before any plugin`);
  if (name === '' || (rest ?? '').replace(/^[ \t]+/, '') === '')
    throw new Stop(at, `has ${option} without a value`);
}

function plugin(owner: Owner): Handler {
  return (context) => {
    owner(context);
    textFor(context, undefined);
    context.scope.hasPlugin = true;
  };
}

function namedPlugin(context: Context): void {
  const { line, at } = context;
  const [name, ...path] = wordsOf(line.rest);
  if (name === undefined || path.length === 0)
    throw new Stop(at, 'has plugin_load without a name and a path');
  if (!isFirst(context.reading, PLUGINS, name)) throw new Stop(at, `has a second plugin_load ${name}`);
  context.scope.hasPlugin = true;
}

const PLUGINS = {};

function usePlugin(context: Context): void {
  const listener = namedListener(context, true);
  const name = textFor(context, undefined);
  if (listener === context.reading.defaultListener || !context.reading.given.get(PLUGINS)?.has(name))
    throw new Stop(context.at, `has plugin_use ${name} without plugin_load, or before a listener`);
}

function denySpecialChars(context: Context): void {
  if (!context.scope.hasPlugin)
    throw new Stop(context.at, 'has auth_plugin_deny_special_chars before any plugin');
  booleanFor(context);
}

/** Of all listeners, also with `per_listener_settings`. */
const ofEvery: Owner = ({ reading }) => {
  reading.isSecured = true;
  return reading;
};

/** By name. */
export const PLUGIN_OPTIONS: readonly (readonly [string, Handler])[] = [
  ['auth_plugin', plugin(ofSecurity)],
  ['auth_plugin_deny_special_chars', denySpecialChars],
  ['global_plugin', sinceDialect('2.1', plugin(ofEvery))],
  ['plugin', plugin(ofSecurity)],
  ['plugin_load', sinceDialect('2.1', namedPlugin)],
  ['plugin_use', sinceDialect('2.1', usePlugin)],
];
