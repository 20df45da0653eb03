/** What is reported about the sets that a configuration names, and about the configuration itself. */

import { lastingProblem } from '../model/named-set.ts';
import type { Situation } from '../situation.ts';
import type { Condition } from './condition.ts';

/** The condition of one of several sets, told under its name. */
export function ofNamed(condition: Condition, name: string): Condition {
  const { about, details, message } = condition;
  return {
    ...condition,
    about: [name, about].filter(Boolean).join(' '),
    details: { set: name, ...details },
    ...(message !== undefined && { message: `${name}: ${message}` }),
  };
}

/** What to do about a configuration that cannot be read, at this line or at all. */
export function confHint(line: number | undefined): string {
  return line === undefined
    ? 'check MOSQUITTO_CONF, the mount and the rights of the watcher'
    : 'fix the configuration: a broker that is started with it would stop at that line';
}

/** Why the configuration cannot be read now, and what in it makes proof impossible. */
export function ofConf({ files: { conf, sets = [] }, now, settings }: Situation): Condition[] {
  if (conf === undefined) return [];
  const { path, findings } = conf;
  const problem = lastingProblem(conf, now.monoMs, settings.stabilityWindowMs);
  const told = findings.map(
    ({ about, problem: text, hint }): Condition => ({
      event: 'conf_finding',
      about: `${about} ${text}`,
      subject: text,
      details: { conf: path, set: about },
      message: `${about} ${text}`,
      hint,
    }),
  );
  if (problem === undefined) return told;
  const where = problem.line === undefined ? problem.path : `${problem.path}, line ${problem.line},`;
  return [
    ...told,
    {
      event: 'conf_unreadable',
      subject: `${problem.path} ${problem.line} ${problem.text}`,
      details: { conf: problem.path, line: problem.line, error: problem.text },
      message: `${where} ${problem.text}${sets.length > 0 ? '; the last good reading stays in force' : ''}`,
      hint: confHint(problem.line),
    },
  ];
}
