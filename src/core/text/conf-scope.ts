/** What is known while a `mosquitto.conf` is read, and how the value of a line is understood. */

import type { ConfBridge, ConfListener, ConfPlace } from '../model/broker-conf.ts';
import { atoi, type ConfLine, strtol, textOf, wordsOf } from './conf-lines.ts';

/** Versions that read some lines in different ways, each up to the next; the oldest is 2.0.11. */
export const DIALECTS = ['2.0', '2.0.21', '2.1'] as const;
export type Dialect = (typeof DIALECTS)[number];

export interface ConfFile {
  readonly path: string;
  readonly text: string;
}

/** The files of an `include_dir` in their order, or why the directory cannot be read. */
export type Included = readonly ConfFile[] | { readonly problem: string };

type Draft<T> = { -readonly [K in keyof T]: T[K] };
export type BridgeDraft = Draft<ConfBridge> & { topics: number; identity?: string; psk?: string };
export type ListenerDraft = Draft<ConfListener>;

/** What stops the broker. */
export class Stop extends Error {
  readonly at: ConfPlace;
  constructor(at: ConfPlace, problem: string) {
    super(problem);
    this.at = at;
  }
}

/** What is known while the files are read, over all of them. */
export interface Reading {
  readonly dialect: Dialect;
  readonly bridges: BridgeDraft[];
  readonly listeners: ListenerDraft[];
  /** of 2.0 it is opened last, of 2.1 where it was made */
  defaultListener: ListenerDraft | undefined;
  /** no line names a port or an address: all but 2.0.11 then listen on 1883 of this machine only, without TLS */
  isLocalOnly: boolean;
  /** `per_listener_settings` */
  isPerListener: boolean;
  /** a line was about who may do what */
  isSecured: boolean;
  /** what a bridge, a listener, a plugin or the broker itself has been given already */
  readonly given: Map<object, Set<string>>;
  readonly included: (directory: string) => Included;
  /** reads a file in a scope of its own */
  readonly readFile: (file: ConfFile, level: number) => void;
}

/** The scope of one file: an included one starts afresh, and leaves that of the outer file as it was. */
export interface Scope {
  readonly path: string;
  readonly level: number;
  bridge: BridgeDraft | undefined;
  listener: ListenerDraft | undefined;
  /** a line of it has loaded a plugin */
  hasPlugin: boolean;
}

/** One line, in its place. */
export interface Context {
  readonly reading: Reading;
  readonly scope: Scope;
  readonly line: ConfLine;
  readonly at: ConfPlace;
}

export type Handler = (context: Context) => void;

/** The value of `conf__parse_string`: the rest of the line. */
export function textFor({ line, at }: Context, before: string | undefined): string {
  if (line.rest !== undefined && before !== undefined) {
    throw new Stop(at, `repeats ${line.option}, which Mosquitto refuses`);
  }
  const text = textOf(line.rest);
  if (text === undefined) throw new Stop(at, `has ${line.option} without a value`);
  // a replacement character is what is left of malformed UTF-8
  if (/[\p{Cc}\ufffd\ufffe\uffff]/u.test(text)) {
    throw new Stop(at, `has a value of ${line.option} that is not plain UTF-8`);
  }
  return text;
}

export function booleanFor({ line, at }: Context): boolean {
  const [word] = wordsOf(line.rest);
  if (word === 'true' || word === '1') return true;
  if (word === 'false' || word === '0') return false;
  throw new Stop(at, `has ${line.option} without true or false`);
}

/** A text that one owner has only once: a bridge, a listener, or the broker itself. */
export function onceFor(context: Context, owner: object, name: string): string {
  return textFor(context, isFirst(context.reading, owner, name) ? undefined : '');
}

/** Whether this owner has not been given this before; from now on it has. */
export function isFirst({ given }: Reading, owner: object, name: string): boolean {
  const names = given.get(owner) ?? new Set();
  given.set(owner, names);
  const isNew = !names.has(name);
  names.add(name);
  return isNew;
}

/** The first word of the value. */
export function wordFor({ line, at }: Context): string {
  const [word] = wordsOf(line.rest);
  if (word === undefined) throw new Stop(at, `has ${line.option} without a value`);
  return word;
}

/** A number of `conf__parse_int`. */
export function numberFor(context: Context): number {
  return numberIn(context, wordFor(context));
}

/** The same for any word of the value. */
export function numberIn({ reading, line, at }: Context, word: string): number {
  if (reading.dialect !== '2.1') return atoi(word);
  const value = strtol(word);
  if (value === undefined) throw new Stop(at, `has ${line.option} ${word}, which is no number`);
  if (Math.abs(value) > 0x7fff_ffff) throw new Stop(at, `has ${line.option} ${word}, which is out of range`);
  return value;
}

/** An option that this version does not know. */
export function sinceDialect(since: Dialect, handler: Handler): Handler {
  return (context) => {
    const { reading, line, at } = context;
    if (DIALECTS.indexOf(reading.dialect) < DIALECTS.indexOf(since))
      throw new Stop(at, `has ${line.option}, which Mosquitto before ${since} does not know`);
    handler(context);
  };
}
