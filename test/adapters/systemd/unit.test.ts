import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unit, unitAtRest } from '../../../lab/core-fixtures.ts';
import { until } from '../../../lab/until.ts';
import { createSystemctl, type Ran } from '../../../src/adapters/systemd/systemctl.ts';
import { createUnit } from '../../../src/adapters/systemd/unit.ts';
import { temporaryDirectory } from '../../support/directory.ts';

const NAME = 'mosquitto.service';

/** A unit whose systemctl says this for each verb, and what it was asked. */
function saying(answers: Readonly<Record<string, Ran>>) {
  const asked: string[] = [];
  const systemctl = async (args: readonly string[]): Promise<Ran> => {
    asked.push(args.join(' '));
    return answers[args[0] ?? ''] ?? ended(0);
  };
  return { asked, unit: createUnit(NAME, systemctl) };
}

const ended = (code: number, stderr = '', stdout = ''): Ran => ({ kind: 'ended', code, stdout, stderr });
const says = (stderr: string): Ran => ended(1, stderr);

const DENIED = says(`Failed to restart ${NAME}: Interactive authentication required.\nSee system logs.`);

describe('a restart', () => {
  it('resets the start limit first, so that a running broker is not taken down by it', async () => {
    const { asked, unit: it } = saying({});
    expect(await it.restart(unit(0))).toEqual({ ok: true, value: undefined });
    expect(asked).toEqual([`reset-failed ${NAME}`, `restart ${NAME}`]);
  });

  const FAILED = unitAtRest(0, { active: 'failed', sub: 'failed', result: 'exit-code' });
  const AGAIN = says(`Job for ${NAME} failed because the control process exited with error code.`);
  const LOOK = expect.stringMatching(/^show /);

  /** What systemd says of a unit that has failed at this time. */
  const failedAt = (time: string) =>
    ended(0, '', `Id=${NAME}\nActiveState=failed\nInactiveEnterTimestamp=${time.replace(/[TZ]/g, ' ')}UTC\n`);

  it('does not reset a unit that has failed, which would look as if it was stopped', async () => {
    const { asked, unit: it } = saying({});
    await it.restart(FAILED);
    expect(asked).toEqual([`restart ${NAME}`]);
  });

  it.each([
    [
      'where nothing is started otherwise',
      FAILED,
      [`restart ${NAME}`, LOOK, `reset-failed ${NAME}`, `restart ${NAME}`],
    ],
    [
      'where it is known to be needed',
      { ...FAILED, result: 'start-limit-hit' },
      [`reset-failed ${NAME}`, `restart ${NAME}`],
    ],
  ])('resets a unit that has failed %s', async (_, before, expected) => {
    const { asked, unit: it } = saying({ restart: AGAIN, show: failedAt(FAILED.finishedAt) });
    await it.restart(before);
    expect(asked).toEqual(expected);
  });

  it('does not reset a unit that was started, and has failed again', async () => {
    const later = unitAtRest(1_000).finishedAt;
    const { asked, unit: it } = saying({ restart: AGAIN, show: failedAt(later) });
    expect(await it.restart(FAILED)).toMatchObject({ ok: false, mayHaveHappened: true });
    expect(asked).toEqual([`restart ${NAME}`, LOOK]);
  });

  it('is not made without the right to reset the start limit, and certainly did not happen', async () => {
    const { asked, unit: it } = saying({ 'reset-failed': DENIED });
    const answer = await it.restart(unit(0));
    expect(answer).toMatchObject({ ok: false, cause: 'permission_denied', mayHaveHappened: false });
    expect(asked).toEqual([`reset-failed ${NAME}`]);
  });

  it('is made of a unit that systemd has forgotten since, which has no limit to reset', async () => {
    const { asked, unit: it } = saying({ 'reset-failed': says(`Unit ${NAME} not loaded.`) });
    await it.restart(unit(0));
    expect(asked).toContain(`restart ${NAME}`);
  });

  it.each<[string, Ran, object]>([
    ['denied', DENIED, { cause: 'permission_denied', mayHaveHappened: false }],
    [
      'denied where there is no polkit',
      says(`Failed to restart ${NAME}: Access denied`),
      { cause: 'permission_denied', mayHaveHappened: false },
    ],
    [
      'of no unit',
      ended(5, `Failed to restart ${NAME}: Unit ${NAME} not found.`),
      { cause: 'unit_missing', mayHaveHappened: false },
    ],
    [
      'of a masked unit',
      says(`Failed to restart ${NAME}: Unit ${NAME} is masked.`),
      { cause: 'call_refused', mayHaveHappened: false },
    ],
    [
      'of a unit whose file is broken',
      says(`Failed to restart ${NAME}: Unit ${NAME} has a bad unit file setting.`),
      { cause: 'call_refused', mayHaveHappened: false },
    ],
    [
      'of a machine that is being shut down',
      says(
        `Failed to restart ${NAME}: Transaction for ${NAME}/restart is destructive (x has 'stop' job queued).`,
      ),
      { cause: 'call_refused', mayHaveHappened: false },
    ],
    [
      'after which it fails',
      says(
        `Job for ${NAME} failed because the control process exited with error code.\nSee "systemctl status`,
      ),
      { cause: 'engine_error', mayHaveHappened: true },
    ],
    [
      'whose dependency fails',
      says(`A dependency job for ${NAME} failed. See 'journalctl -xe' for details.`),
      { cause: 'engine_error', mayHaveHappened: true },
    ],
    [
      'that somebody else has revoked',
      says(`Job for ${NAME} canceled.`),
      { cause: 'engine_error', mayHaveHappened: true, overruled: true },
    ],
    [
      'whose bus goes away',
      says('Failed to wait for response: Connection reset by peer'),
      { cause: 'connection_lost', mayHaveHappened: true },
    ],
    [
      'whose bus is not there',
      says('Failed to connect to bus: No such file or directory'),
      { cause: 'unreachable', mayHaveHappened: false },
    ],
    [
      'on a machine without systemd',
      says("System has not been booted with systemd as init system (PID 1). Can't operate."),
      { cause: 'unreachable', mayHaveHappened: false },
    ],
    [
      'whose systemctl is killed',
      { kind: 'killed', signal: 'SIGKILL' },
      { cause: 'connection_lost', mayHaveHappened: true },
    ],
    ['without an end', { kind: 'timeout' }, { cause: 'timeout', mayHaveHappened: true }],
    [
      'without a systemctl',
      { kind: 'not_started', code: 'ENOENT' },
      { cause: 'systemctl_missing', mayHaveHappened: false },
    ],
    [
      'without room for a process',
      { kind: 'not_started', code: 'EAGAIN' },
      { cause: 'unreachable', mayHaveHappened: false },
    ],
    ['that fails in unknown words', says('Something else'), { cause: 'engine_error', mayHaveHappened: true }],
  ])('%s is told by its cause, and whether it may have happened', async (_, ran, expected) => {
    const answer = await saying({ restart: ran }).unit.restart(unit(0));
    expect(answer).toMatchObject({ ok: false, ...expected, hint: expect.stringMatching(/\S/) });
  });

  it('that is denied leads to the command that prints the rule', async () => {
    const answer = await saying({ restart: DENIED }).unit.restart(unit(0));
    expect(answer).toMatchObject({ hint: expect.stringContaining('mosquitto-cert-watcher unit-policy') });
  });
});

describe('a signal', () => {
  it('is sent to the main process alone', async () => {
    const { asked, unit: it } = saying({});
    await it.signalHangup();
    expect(asked).toEqual([`kill --signal=SIGHUP --kill-whom=main ${NAME}`]);
  });

  it('is sent in the words of an older systemctl where it does not know the new ones', async () => {
    const { asked, unit: it } = saying({ kill: says("systemctl: unrecognized option '--kill-whom=main'") });
    await it.signalHangup();
    expect(asked.at(-1)).toBe(`kill --signal=SIGHUP --kill-who=main ${NAME}`);
  });
});

describe('a look', () => {
  it.each<[string, Ran, string]>([
    [
      'a unit that is not there',
      ended(0, '', `Id=${NAME}\nLoadState=not-found\nActiveState=inactive\n`),
      'unit_missing',
    ],
    ['an older systemd', says("systemctl: unrecognized option '--timestamp=us+utc'"), 'bad_answer'],
    ['nonsense', ended(0, '', 'x'), 'bad_answer'],
    [
      'a user whom the bus does not know',
      says('Failed to get properties: Transport endpoint is not connected'),
      'unreachable',
    ],
    ['no systemctl', { kind: 'not_started', code: 'ENOENT' }, 'systemctl_missing'],
  ])('at %s', async (_, ran, cause) => {
    const answer = await saying({ show: ran }).unit.inspect();
    expect(answer).toMatchObject({ ok: false, cause, mayHaveHappened: false });
  });
});

describe('systemctl', () => {
  /** A program in its place that runs this script. */
  async function scripted(script: string) {
    const path = join(await temporaryDirectory(), 'systemctl');
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
    return createSystemctl(path);
  }

  it('is run in English and in UTC, and asks nobody for a password', async () => {
    const systemctl = await scripted('echo "$LC_ALL $TZ $*"');
    const ran = await systemctl(['show', 'x'], { timeoutMs: 10_000 });
    expect(ran).toMatchObject({ stdout: 'C UTC --no-ask-password --no-pager show x\n' });
  });

  it('that does not end is killed when its time is over', async () => {
    const directory = await temporaryDirectory();
    const systemctl = await scripted(`echo $$ >${directory}/pid; exec sleep 60`);
    // enough to start a shell, on a busy machine too
    const ran = await systemctl(['show'], { timeoutMs: 2_000 });
    expect(ran).toEqual({ kind: 'timeout' });
    const pid = Number(await readFile(`${directory}/pid`, 'utf8'));
    await until('it to be gone', () => !isAlive(pid));
  });

  it('whose answer nobody wants any more is given up', async () => {
    const abort = new AbortController();
    const systemctl = await scripted('exec sleep 60');
    const ran = systemctl(['show'], { timeoutMs: 60_000, signal: abort.signal });
    abort.abort();
    expect(await ran).toEqual({ kind: 'abandoned' });
  });

  it('that talks without end is cut, and can end', async () => {
    const systemctl = await scripted('head -c 10000000 /dev/zero');
    const ran = await systemctl(['show'], { timeoutMs: 10_000 });
    expect(ran.kind === 'ended' && ran.stdout.length).toBe(64 * 1_024);
  });

  it('that is not there, or that a signal ends, is a value', async () => {
    expect(await createSystemctl('/nowhere/systemctl')(['show'], { timeoutMs: 1_000 })).toEqual({
      kind: 'not_started',
      code: 'ENOENT',
    });
    const systemctl = await scripted('kill -KILL $$');
    expect(await systemctl(['show'], { timeoutMs: 10_000 })).toEqual({ kind: 'killed', signal: 'SIGKILL' });
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
