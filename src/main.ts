/** The process boundary: arguments, environment, signals and the exit code. */

import './system/process/leave-if-told.ts';
import './system/process/signals.ts';
import type { FleetArguments } from './cli/fleet-arguments.ts';
import type { Invocation } from './cli/invocation.ts';
import { run } from './cli/run.ts';
import type { Settings } from './core/model/settings.ts';
import { printable } from './core/text/printable.ts';
import { PRIORITIES } from './surfaces/log.ts';
import { messageOf } from './system/errors.ts';
import { leave } from './system/process/leave.ts';
import { readServiceManager } from './system/process/service-manager.ts';
import { onRequest, stopSignal } from './system/process/signals.ts';

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
  const { readInvocation } = await import('./cli/invocation.ts');
  const invocation = await readInvocation(PROGRAM, process.argv.slice(2), process.env);
  switch (invocation.kind) {
    case 'problems':
      return complain(invocation.problems);
    case 'text':
      process.stdout.write(invocation.text);
      return 0;
    case 'fleet':
      return showFleet(invocation.fleet);
    case 'command':
      return obey(invocation);
  }
}

/** The code of a command is loaded only if it is the one: the daemon has little memory. */
async function obey({ command, settings, json, user }: Extract<Invocation, { kind: 'command' }>) {
  const write = (text: string) => process.stdout.write(text);
  const options = { json, color: isColored() };
  switch (command) {
    case 'run':
      return run(settings, stopSignal, onRequest, write, serviceManager);
    case 'check': {
      const { check } = await import('./cli/check.ts');
      return check(settings, options, stopSignal, write);
    }
    case 'probe': {
      if (settings.upstream === undefined) return complain([whyNoUpstream(settings)]);
      const { probe } = await import('./cli/probe.ts');
      return probe(settings, settings.upstream, options, stopSignal, write);
    }
    case 'socket-policy': {
      if (settings.target.kind === 'unit') return complain([NO_ENGINE]);
      const { socketPolicy } = await import('./cli/socket-policy.ts');
      return socketPolicy(settings, { json }, write);
    }
    case 'unit-policy': {
      if (settings.target.kind !== 'unit') return complain([NO_UNIT]);
      const { unitPolicy } = await import('./cli/unit-policy.ts');
      return unitPolicy(settings, settings.target.name, { user }, write, sayProblem);
    }
    case 'notify-test': {
      if (settings.notifyUrl === undefined) return complain([NO_RECEIVER]);
      const { notifyTest } = await import('./cli/notify-test.ts');
      return notifyTest(settings, settings.notifyUrl, stopSignal, write);
    }
    case 'healthcheck': {
      const { healthcheck } = await import('./cli/healthcheck.ts');
      return healthcheck(settings, sayProblem);
    }
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
