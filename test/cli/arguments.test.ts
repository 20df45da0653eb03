import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readArguments } from '../../src/cli/arguments.ts';
import { COMMANDS, DAEMON_COMMANDS } from '../../src/cli/commands.ts';

function problemWith(...argv: string[]): string {
  const read = readArguments(argv);
  return read.kind === 'problem' ? read.problem : `no problem but ${read.kind}`;
}

describe('readArguments', () => {
  it('runs if it is told nothing', () => {
    expect(readArguments([])).toEqual({
      kind: 'command',
      command: 'run',
      configFile: undefined,
      json: false,
    });
  });

  it('knows the command fleet, which needs no settings', () => {
    expect(
      readArguments(['fleet', '--url', 'mqtts://b', '--topic', 'site/+/+', '--watch', '--json']),
    ).toEqual({
      kind: 'fleet',
      fleet: {
        url: { tls: true, host: 'b', port: 8883 },
        topic: 'site/+/+',
        json: true,
        watch: true,
        caFile: undefined,
        certFile: undefined,
        keyFile: undefined,
        credentialsFile: undefined,
      },
    });
  });

  it.each([
    [['fleet'], /needs --url/],
    [['fleet', '--url', 'http://b'], /^--url="http:\/\/b" is not mqtt:\/\/host:port/],
    [['fleet', '--url', 'mqtt://u:secret@b'], /^(?!.*secret)/],
    [['fleet', '--url', 'mqtt://b', '--topic', 'a//+'], /is not a topic/],
    [['fleet', '--url', 'mqtt://b', '--topic', 'a/x+'], /is not a topic/],
    [['fleet', '--url', 'mqtts://b', '--key-file', 'k'], /belong together/],
    [['fleet', '--url', 'mqtt://b', '--ca-file', 'c'], /are for TLS/],
    [['fleet', '--url', 'mqtt://b', '--config', 'c'], /fleet has no --config/],
    [['check', '--watch'], /check has no --watch; fleet has/],
  ])('refuses %j', (argv, problem) => {
    expect(problemWith(...argv)).toMatch(problem);
  });

  it.each(DAEMON_COMMANDS)('knows the command %s', (command) => {
    expect(readArguments([command])).toMatchObject({ kind: 'command', command });
  });

  it.each([
    ['after the command', ['run', '--config', 'a.json']],
    ['before the command', ['--config', 'a.json', 'run']],
    ['without a command', ['--config', 'a.json']],
    ['in one word', ['--config=a.json']],
  ])('takes a configuration file %s', (_, argv) => {
    expect(readArguments(argv)).toMatchObject({ command: 'run', configFile: 'a.json' });
  });

  it('takes a configuration file whose name begins with a dash in one word', () => {
    expect(readArguments(['--config=-a.json'])).toMatchObject({ configFile: '-a.json' });
  });

  it.each([['--help'], ['-h'], ['--version', '--help'], ['nonsense', '--help'], ['run', 'check', '--help']])(
    'shows the help of the program for %s %s',
    (...argv) => {
      expect(readArguments(argv.filter((word) => word !== undefined))).toEqual({
        kind: 'help',
        command: undefined,
      });
    },
  );

  it.each(COMMANDS)('shows the help of %s before and behind the command', (command) => {
    expect(readArguments([command, '--help'])).toEqual({ kind: 'help', command });
    expect(readArguments(['-h', command])).toEqual({ kind: 'help', command });
  });

  it('shows the version', () => {
    expect(readArguments(['--version'])).toEqual({ kind: 'version' });
  });

  it.each([
    ['rnu', 'unknown command rnu; did you mean run?'],
    ['restart-everything', 'unknown command restart-everything; see --help'],
    ['--confg', 'unknown flag --confg; did you mean --config?'],
    ['--hlep', 'unknown flag --hlep; did you mean --help?'],
    ['--Version', 'unknown flag --Version; did you mean --version?'],
    ['--password', 'unknown flag --password; see --help'],
    ['--password=s3cret', 'unknown flag --password; see --help'],
    ['-x', 'unknown flag -x; see --help'],
  ])('says of %s what was meant, if that can be guessed', (word, problem) => {
    expect(problemWith(word)).toBe(problem);
  });

  it('takes one command at a time', () => {
    expect(problemWith('run', 'run')).toBe('one command at a time: run is too much');
  });

  it.each([[['--config']], [['--config', '--help']], [['--help=yes']]])(
    'says of %j in one line what is wrong with its value',
    (argv) => {
      expect(problemWith(...argv)).toMatch(/^Option '.*--(config|help).*$/);
    },
  );

  it('never throws, whatever the command line is', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('--', '-', '--config', 'run'))), (argv) => {
        expect(readArguments(argv)).toHaveProperty('kind');
      }),
    );
  });
});
