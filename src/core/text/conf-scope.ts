/** What is known while a `mosquitto.conf` is read, and how the value of a line is understood. */

import type { ConfBridge, ConfListener, ConfPlace } from '../model/broker-conf.ts';
import { atoi, type ConfLine, strtol, textOf, wordsOf } from './conf-lines.ts';

/** The two read some lines in different ways. */
export type Dialect = '2.0' | '2.1';

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
  /** no line names a port or an address: 2.1 then listens on 1883 of this machine only, without TLS */
  isLocalOnly: boolean;
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

/** A number of `conf__parse_int`. */
export function numberFor({ reading, line, at }: Context): number {
  const [word] = wordsOf(line.rest);
  if (word === undefined) throw new Stop(at, `has ${line.option} without a value`);
  const value = reading.dialect === '2.0' ? atoi(word) : strtol(word);
  if (value === undefined) throw new Stop(at, `has ${line.option} ${word}, which is no number`);
  return value;
}
