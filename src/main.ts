/** The process boundary: arguments, environment, signals and the exit code. */

import './system/process/leave-if-told.ts';
import './system/process/signals.ts';
import { type Arguments, readArguments } from './cli/arguments.ts';
import { check } from './cli/check.ts';
import type { Command } from './cli/commands.ts';
import type { FleetArguments } from './cli/fleet-arguments.ts';
import { healthcheck } from './cli/healthcheck.ts';
import { helpText } from './cli/help.ts';
import { notifyTest } from './cli/notify-test.ts';
import { probe } from './cli/probe.ts';
import { run } from './cli/run.ts';
import { socketPolicy } from './cli/socket-policy.ts';
import { unitPolicy } from './cli/unit-policy.ts';
import { loadSettings } from './config/load.ts';
import type { Settings } from './core/model/settings.ts';
import { printable } from './core/text/printable.ts';
import { PRIORITIES } from './surfaces/log.ts';
import { messageOf } from './system/errors.ts';
import { leave } from './system/process/leave.ts';
import { readServiceManager } from './system/process/service-manager.ts';
import { onRequest, stopSignal } from './system/process/signals.ts';
import { FULL_VERSION } from './system/process/version.ts';

const PROGRAM = 'mosquitto-cert-watcher';
const EXIT_USAGE = 2;
const EXIT_DEFECT = 70;
const LONGEST_PROBLEM = 1_000;
const serviceManager = readServiceManager(process.env, process.pid);
/** Bytes of a report that its reader has not taken yet: more than that of any fleet. */
const MOST_UNREAD = 128 * 2 ** 20;
const NO_RECEIVER = 'NOTIFY_URL is not set, nor is NOTIFY_URL_FILE; there is nobody to notify';
const NO_UNIT = 'MOSQUITTO_UNIT is not set; name the service of systemd that runs the broker';
const NO_ENGINE =
  'MOSQUITTO_UNIT is set: no engine is asked, and no proxy is needed; see mosquitto-cert-watcher unit-policy';
/** Why there is nothing to probe, and which command does that instead. */
function whyNoUpstream({ mosquittoConf, certRole }: Settings): string {
  if (mosquittoConf !== undefined)
    return 'MOSQUITTO_CONF is set, which may name several upstreams; check probes each of them';
  return certRole === 'listener'
    ? 'CERT_ROLE=listener is set, and the certificate of a listener has no upstream; check looks at the listener'
    : 'UPSTREAM_ADDR is not set; name the broker to probe as host:port';
}

// the reader of our output has gone: that must not end the watch
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

main().then(leave, fail);

async function main(): Promise<number> {
  const args = readArguments(process.argv.slice(2));
  if (args.kind === 'problem') return complain([args.problem]);
  if (args.kind === 'help') return print(helpText(args.command));
  if (args.kind === 'version') return print(`${PROGRAM} ${FULL_VERSION}\n`);
  if (args.kind === 'fleet') return showFleet(args.fleet);
  const loaded = await loadSettings(environmentFor(args.command), args.configFile, args.environmentFile);
  if (!loaded.ok) return complain(loaded.problems);
  return obey(args, loaded.settings);
}

/** A rule for polkit can be printed before the upstream is known. */
function environmentFor(command: Command): NodeJS.ProcessEnv {
  return command === 'unit-policy' ? { ...process.env, ENABLE_TLS_PROBE: 'false' } : process.env;
}

async function obey({ command, json, user }: Extract<Arguments, { kind: 'command' }>, settings: Settings) {
  const write = (text: string) => process.stdout.write(text);
  const color = isColored();
  switch (command) {
    case 'run':
      return run(settings, stopSignal, onRequest, write, serviceManager);
    case 'check':
      return check(settings, { json, color }, stopSignal, write);
    case 'probe':
      if (settings.upstream === undefined) return complain([whyNoUpstream(settings)]);
      return probe(settings, settings.upstream, { json, color }, stopSignal, write);
    case 'socket-policy':
      if (settings.target.kind === 'unit') return complain([NO_ENGINE]);
      return socketPolicy(settings, { json }, write);
    case 'unit-policy':
      if (settings.target.kind !== 'unit') return complain([NO_UNIT]);
      return unitPolicy(settings, settings.target.name, { user }, write, sayProblem);
    case 'notify-test':
      if (settings.notifyUrl === undefined) return complain([NO_RECEIVER]);
      return notifyTest(settings, settings.notifyUrl, stopSignal, write);
    case 'healthcheck':
      return healthcheck(settings, sayProblem);
  }
}

/** Loaded only if it is needed, and without settings: it runs where no gateway is. */
async function showFleet(args: FleetArguments): Promise<number> {
  const { fleet } = await import('./cli/fleet.ts');
  const { stdout } = process;
  const gone = new AbortController();
  const stop = AbortSignal.any([stopSignal, gone.signal]);
  stdout.once('error', () => gone.abort());
  const write = (text: string) => {
    stdout.write(text);
    // a reader that does not keep up must not fill the memory
    if (stdout.writableLength > MOST_UNREAD) gone.abort();
  };
  const layout = () => ({ color: isColored(), columns: stdout.isTTY ? stdout.columns : undefined });
  const isScreen = stdout.isTTY && process.env['TERM'] !== 'dumb';
  const onResize = (listener: () => void) => {
    stdout.on('resize', listener);
    return () => stdout.off('resize', listener);
  };
  const terminal = isScreen ? { write, layout, rows: () => stdout.rows, onResize } : undefined;
  const code = await fleet(args, { write, layout, terminal }, stop, (problem) => complain([problem]));
  await flushed(stop);
  return code;
}

/** The report of a large fleet is more than a pipe holds. Ends when nobody waits for it any more, too. */
function flushed(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    stop.addEventListener('abort', () => resolve(), { once: true });
    if (stop.aborted) resolve();
    else process.stdout.write('', () => resolve());
  });
}

function isColored(): boolean {
  return process.stdout.isTTY && !process.env['NO_COLOR'];
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** A defect of this program: reported in one line, because a supervisor will start it again. */
function fail(error: unknown): Promise<never> {
  sayProblem(`unexpected error: ${printable(messageOf(error))}; please report it and include this line`);
  return leave(EXIT_DEFECT);
}

/** Every problem in one message. */
function complain(problems: readonly string[]): number {
  for (const problem of problems) sayProblem(problem);
  sayProblem(`nothing was started; see ${PROGRAM} --help`);
  return EXIT_USAGE;
}

/** One line on standard error. */
function sayProblem(problem: string): void {
  const priority = serviceManager.readsProblems ? PRIORITIES.error : '';
  process.stderr.write(`${priority}${PROGRAM}: ${printable(problem, LONGEST_PROBLEM)}\n`);
}
