/** Checks the values of options of which nothing is kept. */

import { bridgeOf } from './conf-bridge-options.ts';
import { wordsOf } from './conf-lines.ts';
import { listenerOf, namedListener } from './conf-listener-options.ts';
import {
  booleanFor,
  type Context,
  type Handler,
  numberFor,
  onceFor,
  Stop,
  textFor,
  wordFor,
} from './conf-scope.ts';

/** What an option is about; 2.1 refuses some of those about a listener where there is none yet. */
export type Owner = (context: Context) => object;

export const ofBroker: Owner = ({ reading }) => reading;
export const ofBridge: Owner = bridgeOf;
export const ofListener: Owner = listenerOf;
export const ofNamedListener: Owner = (context) => namedListener(context, true);

/** Who may do what: with `per_listener_settings` on a listener, otherwise on all of them. */
export const ofSecurity: Owner = (context) => {
  const { reading } = context;
  reading.isSecured = true;
  return reading.isPerListener ? ofNamedListener(context) : reading;
};

/** How often the text may be given. */
type Repeats = 'never' | 'since 2.1' | 'always';

/** A text, of at most so many bytes since 2.1. */
export function text(owner: Owner, repeats: Repeats = 'never', longest = Number.POSITIVE_INFINITY): Handler {
  return (context) => {
    const { reading, line, at } = context;
    const isOnce = repeats === 'never' || (repeats === 'since 2.1' && reading.dialect !== '2.1');
    const key = ALIASES[line.option] ?? line.option;
    const owned = owner(context);
    const value = isOnce ? onceFor(context, owned, key) : textFor(context, undefined);
    if (reading.dialect === '2.1' && byteLength(value) > longest)
      throw new Stop(at, `has ${line.option} with more than ${longest} bytes`);
  };
}

const ALIASES: Readonly<Record<string, string>> = {
  password: 'remote_password',
  username: 'remote_username',
};

function byteLength(value: string): number {
  return new TextEncoder().encode(value).length;
}

/** True or false. */
export function flag(owner: Owner): Handler {
  return (context) => {
    owner(context);
    booleanFor(context);
  };
}

/** A number in these bounds. */
export function number(
  owner: Owner,
  least = Number.NEGATIVE_INFINITY,
  most = Number.POSITIVE_INFINITY,
): Handler {
  return (context) => {
    owner(context);
    within(context, numberFor(context), least, most);
  };
}

/** Throws unless the value is in these bounds. */
export function within({ line, at }: Context, value: number, least: number, most: number): void {
  if (value < least || value > most) throw new Stop(at, `has ${line.option} ${value}, which is out of range`);
}

/** One of these words, which is the first one, or the whole rest of the line. */
export function oneOf(owner: Owner, words: readonly string[], isWhole = false): Handler {
  return (context) => {
    owner(context);
    const { line, at } = context;
    const word = isWhole ? (line.rest ?? wordFor(context)) : wordFor(context);
    if (!words.includes(word)) throw new Stop(at, `has ${line.option} ${word}, not ${words.join(', ')}`);
  };
}

/** 2.0 goes on where there is no value. */
export function mayBeEmpty(handler: Handler): Handler {
  return (context) => {
    const { reading, line } = context;
    if (reading.dialect !== '2.1' && wordsOf(line.rest).length === 0) return;
    handler(context);
  };
}
