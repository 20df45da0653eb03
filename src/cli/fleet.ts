/** `fleet`: what all gateways have published at a broker, once or as it changes. */

import { createSecureContext } from 'node:tls';
import { createKeptGateways, type KeptGateways } from '../adapters/fleet/kept-gateways.ts';
import { createFleetReader, type FleetOptions } from '../adapters/fleet/reader.ts';
import { explainEnd, shownUrl } from '../adapters/fleet/trouble.ts';
import { MOST_GATEWAYS } from '../core/model/gateway.ts';
import { exitCodeOf } from '../core/status/exit-code.ts';
import { fleetOf } from '../core/status/fleet.ts';
import {
  jsonDisplay,
  lineDisplay,
  type Terminal,
  tableDisplay,
} from '../surfaces/terminal/fleet-displays.ts';
import { fleetJson } from '../surfaces/terminal/fleet-json.ts';
import { type FleetView, fleetLines, type Layout, levelOf } from '../surfaces/terminal/fleet-report.ts';
import { parseCredentials } from '../system/credentials.ts';
import { errorLine } from '../system/openssl-error.ts';
import { readRegularFile } from '../system/regular-file.ts';
import type { FleetArguments } from './fleet-arguments.ts';
import { type Seen, watchFleet } from './fleet-watch.ts';

/** Where the report is written to. */
export interface Output {
  write(text: string): void;
  layout(): Layout;
  /** undefined: it is no terminal that can be drawn on */
  readonly terminal: Terminal | undefined;
}

type Opened =
  | { readonly ok: true; readonly options: FleetOptions }
  | { readonly ok: false; readonly problem: string };

/**
 * Reads the fleet and writes it. Resolves with the exit code: that of the worst gateway, 3 if there is none or no
 * answer; with `watch` 0 when `stop` comes. `complain` is called instead if a file that is named cannot be used.
 */
export async function fleet(
  args: FleetArguments,
  output: Output,
  stop: AbortSignal,
  complain: (problem: string) => number,
): Promise<number> {
  const opened = await open(args);
  if (!opened.ok) return complain(opened.problem);
  const { options } = opened;
  const kept = createKeptGateways();
  const look = (seen: Seen) => viewOf(options, kept, seen);
  if (args.watch) {
    const display = displayOf(args.json, output);
    return watchFleet({ options, kept, display, viewOf: look }, stop);
  }
  const seen = await readOnce(options, kept, stop);
  if (seen === undefined) return exitCodeOf('unknown');
  const view = look(seen);
  output.write(args.json ? fleetJson(view) : `${fleetLines(view, output.layout()).join('\n')}\n`);
  return exitCodeOf(levelOf(view));
}

function displayOf(json: boolean, { write, terminal }: Output) {
  if (json) return jsonDisplay(write);
  return terminal === undefined ? lineDisplay(write) : tableDisplay(terminal);
}

async function readOnce(
  options: FleetOptions,
  kept: KeptGateways,
  stop: AbortSignal,
): Promise<Seen | undefined> {
  const reader = createFleetReader(options, kept);
  const stopped = new Promise<undefined>((resolve) => {
    stop.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  const read = await Promise.race([reader.read(), stopped]);
  await reader.close();
  if (read === undefined) return undefined;
  if (read.ok) return { trouble: undefined, reading: read.reading };
  return { trouble: explainEnd(read.end, options.url, options.topic), reading: undefined };
}

/** Everything that is shown at this moment. */
function viewOf({ url, topic }: FleetOptions, kept: KeptGateways, { trouble, reading }: Seen): FleetView {
  const nowMs = Date.now();
  return {
    broker: shownUrl(url),
    topic,
    nowMs,
    fleet: fleetOf(kept.all(), nowMs),
    count: kept.count(),
    incomplete: incompleteness(kept.isOverflowing(), reading),
    trouble,
    lastChange: undefined,
  };
}

function incompleteness(isOverflowing: boolean, reading: Seen['reading']): string | undefined {
  if (isOverflowing) {
    return `the picture is incomplete: there are more than ${MOST_GATEWAYS} gateways, or some with endless names`;
  }
  if (reading?.isComplete === false) {
    return 'the picture may be incomplete: the broker dropped messages, again and again (max_queued_messages), or took too long; read from nearer to it';
  }
  if ((reading?.skipped ?? 0) > 0) {
    return 'the picture may be incomplete: some messages were too long to be a state, and were passed over';
  }
  return undefined;
}

async function open(args: FleetArguments): Promise<Opened> {
  const { url, topic, caFile, certFile, keyFile, credentialsFile } = args;
  const files = { caFile, certFile, keyFile, credentialsFile };
  const bytes: Partial<Record<keyof typeof files, Buffer>> = {};
  for (const [flag, path] of Object.entries(files) as [keyof typeof files, string | undefined][]) {
    if (path === undefined) continue;
    const read = await readRegularFile(path);
    if (!read.ok) return { ok: false, problem: `${FLAG_OF[flag]}: ${path} ${read.problem}` };
    bytes[flag] = read.bytes;
  }
  const { caFile: ca, certFile: cert, keyFile: key } = bytes;
  const credentials = bytes.credentialsFile && parseCredentials(bytes.credentialsFile);
  if (bytes.credentialsFile !== undefined && credentials === undefined) {
    return {
      ok: false,
      problem: `--credentials-file: ${credentialsFile} is not one line with user:password`,
    };
  }
  const identity = cert && key && { cert, key };
  try {
    if (url.tls) createSecureContext({ ...(ca && { ca }), ...identity });
  } catch (error) {
    return { ok: false, problem: `the files for TLS cannot be used: ${errorLine(error)}` };
  }
  return { ok: true, options: { url, topic, credentials, ca, identity } };
}

const FLAG_OF = {
  caFile: '--ca-file',
  certFile: '--cert-file',
  keyFile: '--key-file',
  credentialsFile: '--credentials-file',
} as const;
