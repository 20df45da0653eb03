/** The configuration of the broker: read as the broker reads it, and the last good reading where it cannot be. */

import { dirname, join, resolve } from 'node:path';
import type { BrokerConf, ConfProblem } from '../core/model/broker-conf.ts';
import { linesOf } from '../core/text/conf-lines.ts';
import type { ConfFile, Included } from '../core/text/conf-scope.ts';
import { readConf } from '../core/text/mosquitto-conf.ts';
import { messageOf } from '../system/errors.ts';
import { readdir } from '../system/file-calls.ts';
import { readRegularFile } from '../system/regular-file.ts';

/** More files than this in one `include_dir` are a mistake. */
const MOST_FILES = 200;

export interface ConfLook {
  /** the last good reading; undefined: there has been none */
  readonly conf: BrokerConf | undefined;
  /** why it cannot be read now; without a line, it is the file itself */
  readonly problem:
    | { readonly path: string; readonly line: number | undefined; readonly text: string }
    | undefined;
  /** versions of Mosquitto read it in different ways */
  readonly isAmbiguous: boolean;
}

export interface BrokerConfFile {
  observe(): Promise<ConfLook>;
}

/** Where the watcher sees what the broker calls by this path: the longest prefix that fits counts. */
export function ourPath(
  path: string,
  map: readonly (readonly [from: string, to: string])[],
  beside: string,
): string {
  const whole = resolve(dirname(beside), path);
  const fitting = map
    .filter(([from]) => whole === from || whole.startsWith(from.endsWith('/') ? from : `${from}/`))
    .toSorted(([a], [b]) => b.length - a.length);
  const [best] = fitting;
  return best === undefined ? whole : join(best[1], whole.slice(best[0].length));
}

/** `path` is our own; what it includes is named by the broker's paths. */
export function createBrokerConf(
  path: string,
  map: readonly (readonly [from: string, to: string])[],
): BrokerConfFile {
  let last: { readonly key: string; readonly look: ConfLook } | undefined;
  let good: BrokerConf | undefined;

  async function observe(): Promise<ConfLook> {
    const main = await readRegularFile(path);
    if (!main.ok)
      return { conf: good, problem: { path, line: undefined, text: main.problem }, isAmbiguous: false };
    const text = main.bytes.toString('utf8');
    const directories = linesOf(text).flatMap(({ option, rest }) =>
      option === 'include_dir' && rest ? [rest] : [],
    );
    const included = new Map<string, Included>();
    for (const directory of directories)
      included.set(directory, await filesOf(ourPath(directory, map, path)));
    const key = JSON.stringify([text, [...included]]);
    if (last?.key === key) return last.look;
    const { reading, isAmbiguous } = readConf({ path, text }, (directory) => included.get(directory) ?? []);
    if (reading.ok) good = reading.conf;
    const look: ConfLook = {
      conf: good,
      problem: reading.ok ? undefined : placeOf(reading.problem),
      isAmbiguous,
    };
    last = { key, look };
    return look;
  }

  return { observe };
}

function placeOf({ at, problem }: ConfProblem) {
  return { path: at.path, line: at.line, text: problem };
}

/** The files of an `include_dir`, in the order of the broker: by upper case first. */
async function filesOf(directory: string): Promise<Included> {
  try {
    const names = (await readdir(directory)).filter((name) => name.length > 5 && name.endsWith('.conf'));
    if (names.length > MOST_FILES) return { problem: `holds more than ${MOST_FILES} files` };
    const files: ConfFile[] = [];
    for (const name of names.toSorted(byUpperCase)) {
      const read = await readRegularFile(join(directory, name));
      if (!read.ok && read.kind === 'empty') continue;
      if (!read.ok) return { problem: `holds ${name}, which ${read.problem}` };
      files.push({ path: join(directory, name), text: read.bytes.toString('utf8') });
    }
    return files;
  } catch (error) {
    return { problem: `cannot be read: ${messageOf(error)}` };
  }
}

/** Letter by letter, without regard to case, and capitals first where they differ in nothing else. */
function byUpperCase(a: string, b: string): number {
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    const [one = '', other = ''] = [a[index], b[index]];
    const upper = one.toUpperCase().charCodeAt(0) - other.toUpperCase().charCodeAt(0);
    if (upper !== 0) return upper;
    const exact = one.charCodeAt(0) - other.charCodeAt(0);
    if (exact !== 0) return exact;
  }
  return a.length - b.length;
}
