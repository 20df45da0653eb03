/** The process boundary: arguments, environment, signals and the exit code. */

import './leave-if-told.ts';
import { type Arguments, readArguments } from './cli/arguments.ts';
import { check } from './cli/check.ts';
import { healthcheck } from './cli/healthcheck.ts';
import { helpText } from './cli/help.ts';
import { probe } from './cli/probe.ts';
import { run } from './cli/run.ts';
import { socketPolicy } from './cli/socket-policy.ts';
import { loadSettings } from './config/load.ts';
import type { Settings } from './core/settings.ts';
import { leave } from './leave.ts';
import { FULL_VERSION } from './version.ts';

const PROGRAM = 'mosquitto-cert-watcher';
const EXIT_USAGE = 2;
const NO_UPSTREAM = 'UPSTREAM_ADDR is not set; name the broker to probe as host:port';

// first of all: as PID 1 a process ignores SIGTERM until it has a handler
const stop = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop.abort(name));

// whoever read our output has gone: that must not end the watch
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

main().then(leave);

async function main(): Promise<number> {
  const args = readArguments(process.argv.slice(2));
  if (args.kind === 'problem') return complain([args.problem]);
  if (args.kind === 'help') return print(helpText());
  if (args.kind === 'version') return print(`${PROGRAM} ${FULL_VERSION}\n`);
  const loaded = await loadSettings(process.env, args.configFile);
  if (!loaded.ok) return complain(loaded.problems);
  return obey(args, loaded.settings);
}

async function obey({ command, json }: Extract<Arguments, { kind: 'command' }>, settings: Settings) {
  const write = (text: string) => process.stdout.write(text);
  const color = process.stdout.isTTY && !process.env['NO_COLOR'];
  switch (command) {
    case 'run':
      return run(settings, stop.signal, write);
    case 'check':
      return check(settings, { json, color }, stop.signal, write);
    case 'probe':
      if (settings.upstream === undefined) return complain([NO_UPSTREAM]);
      return probe(settings, settings.upstream, { json, color }, stop.signal, write);
    case 'socket-policy':
      return socketPolicy(settings, { json }, write);
    case 'healthcheck':
      return healthcheck(settings, (problem) => process.stderr.write(`${PROGRAM}: ${problem}\n`));
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** Every problem in one message. */
function complain(problems: readonly string[]): number {
  process.stderr.write(`${problems.map((problem) => `${PROGRAM}: ${problem}`).join('\n')}\n`);
  process.stderr.write(`${PROGRAM}: nothing was started; see ${PROGRAM} --help\n`);
  return EXIT_USAGE;
}
