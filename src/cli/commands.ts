/**
 * The one table of commands and flags: the command line is read by it, and `--help`, the help of each command, the
 * manual page and the completions of the shells are generated from it.
 */

export const COMMANDS = [
  'run',
  'check',
  'probe',
  'fleet',
  'socket-policy',
  'unit-policy',
  'notify-test',
  'healthcheck',
] as const;
export type Command = (typeof COMMANDS)[number];

/** Those that work with the settings of the daemon. */
export const DAEMON_COMMANDS = COMMANDS.filter((name) => name !== 'fleet');
export type DaemonCommand = Exclude<Command, 'fleet'>;

export interface CommandHelp {
  /** one line, lower case */
  readonly summary: string;
  /** paragraphs */
  readonly about: readonly string[];
  /** beside those that every command has */
  readonly exitCodes: readonly (readonly [code: number, meaning: string])[];
  /** one line that can be pasted into a shell, without the program's name */
  readonly example: string;
}

export const COMMAND_HELP: Readonly<Record<Command, CommandHelp>> = {
  run: {
    summary: 'watch and restart, until it is stopped',
    about: [
      'This is the daemon, and what happens if no command is given. It writes one JSON object per line to standard output whenever something changes, and nothing on a quiet day.',
      'SIGTERM and SIGINT end it within a second; a restart that is under way is finished and verified first. SIGHUP makes it look and probe at once, SIGUSR1 makes a set that is ready skip the wait for RESTART_WINDOW and RESTART_SPLAY.',
    ],
    exitCodes: [[0, 'stopped by SIGTERM or SIGINT']],
    example: 'run',
  },
  check: {
    summary: 'one look at everything; changes nothing',
    about: [
      'Looks at files, pair, chain, dates, upstream and broker as the daemon does, and says what it found, and what the daemon would do now and why. It needs no daemon, restarts nothing, and costs one handshake with the upstream.',
      'The exit codes are those of monitoring plugins.',
    ],
    exitCodes: [
      [0, 'ok'],
      [1, 'warning'],
      [2, 'critical'],
      [3, 'unknown'],
    ],
    example: 'check --json',
  },
  probe: {
    summary: 'one TLS probe of the upstream, with its verdict',
    about: [
      'Connects to UPSTREAM_ADDR with the client certificate, shows each phase as it passes, and says whether the upstream accepts the certificate, or the one cause why not and what to try. It probes even with ENABLE_TLS_PROBE=false.',
    ],
    exitCodes: [
      [0, 'accepted'],
      [1, 'failed'],
    ],
    example: 'probe',
  },
  fleet: {
    summary: 'the state of all gateways (STATUS_TOPIC), worst first',
    about: [
      'Reads what the watchers of a fleet publish (STATUS_TOPIC) at the broker that their bridges lead to, and shows it as a table with what to do, the worst gateway first. It says where the picture may be incomplete.',
      'The exit codes are those of check, for the worst gateway.',
    ],
    exitCodes: [
      [0, 'ok'],
      [1, 'warning'],
      [2, 'critical'],
      [3, 'unknown, no gateway, or no answer'],
    ],
    example: 'fleet --url mqtts://broker.example.com:8883 --ca-file ca.crt',
  },
  'socket-policy': {
    summary: 'what a proxy has to let through to the engine, for HAProxy',
    about: [
      'Writes the configuration of a proxy that lets the calls through that these settings need, and nothing else. It makes no call itself.',
    ],
    exitCodes: [],
    example: 'socket-policy > haproxy.cfg',
  },
  'unit-policy': {
    summary: 'the polkit rule for restarting MOSQUITTO_UNIT',
    about: [
      'Writes the rule with which polkit lets one user do to the unit what these settings need, and nothing else. It changes nothing itself. The user is the one who runs it, unless --user names another.',
    ],
    exitCodes: [],
    example: 'unit-policy --user mosquitto-cert-watcher',
  },
  'notify-test': {
    summary: 'sends one test notification, and says what came back',
    about: [
      'Sends one notification that is marked as a test to NOTIFY_URL, in NOTIFY_FORMAT, without retries.',
    ],
    exitCodes: [
      [0, 'delivered'],
      [1, 'not delivered'],
      [2, 'NOTIFY_URL is not set'],
    ],
    example: 'notify-test',
  },
  healthcheck: {
    summary: 'asks the daemon whether it is alive (ENABLE_METRICS)',
    about: [
      "Asks the daemon's /healthz, and says nothing if all is well. For a container without a shell. Without ENABLE_METRICS there is nothing to ask: that counts as alive.",
    ],
    exitCodes: [
      [0, 'alive, or nothing to ask'],
      [1, 'not alive'],
    ],
    example: 'healthcheck',
  },
};

/** What every command may end with. */
export const COMMON_EXIT_CODES: CommandHelp['exitCodes'] = [
  [2, 'a setting, a command or a flag is not usable'],
  [70, 'an unexpected error: a defect of the program'],
];

export interface Flag {
  readonly type: 'string' | 'boolean';
  /** one letter */
  readonly short?: string;
  /** what its value is called in help texts */
  readonly value?: string;
  /** what a shell offers for its value */
  readonly completes?: 'files' | 'users';
  readonly meaning: string;
  /** its commands do nothing without it */
  readonly isRequired?: true;
  /** those that have it */
  readonly commands: readonly Command[];
}

export const FLAGS = {
  config: {
    type: 'string',
    value: 'FILE',
    completes: 'files',
    meaning: 'settings from a JSON file; the environment wins',
    commands: DAEMON_COMMANDS,
  },
  'env-file': {
    type: 'string',
    value: 'FILE',
    completes: 'files',
    meaning: 'settings from a file of NAME=value, as systemd reads it; the environment wins',
    commands: DAEMON_COMMANDS,
  },
  json: {
    type: 'boolean',
    meaning: 'output for programs',
    commands: ['check', 'probe', 'fleet', 'socket-policy'],
  },
  user: {
    type: 'string',
    value: 'NAME',
    completes: 'users',
    meaning: 'whom the rule is for',
    commands: ['unit-policy'],
  },
  url: {
    type: 'string',
    value: 'URL',
    meaning: 'mqtt://host:port or mqtts://host:port, the broker that all bridges lead to',
    isRequired: true,
    commands: ['fleet'],
  },
  topic: {
    type: 'string',
    value: 'TOPIC',
    meaning: 'STATUS_TOPIC of all gateways, + for each level that differs [cert-watcher/+]',
    commands: ['fleet'],
  },
  watch: {
    type: 'boolean',
    meaning: 'show it as it changes, until it is stopped',
    commands: ['fleet'],
  },
  'ca-file': {
    type: 'string',
    value: 'FILE',
    completes: 'files',
    meaning: 'CA certificates that the broker is verified with [the public ones]',
    commands: ['fleet'],
  },
  'cert-file': {
    type: 'string',
    value: 'FILE',
    completes: 'files',
    meaning: 'client certificate for the broker',
    commands: ['fleet'],
  },
  'key-file': {
    type: 'string',
    value: 'FILE',
    completes: 'files',
    meaning: 'key of --cert-file',
    commands: ['fleet'],
  },
  'credentials-file': {
    type: 'string',
    value: 'FILE',
    completes: 'files',
    meaning: 'file with one line, user:password',
    commands: ['fleet'],
  },
  help: {
    type: 'boolean',
    short: 'h',
    meaning: 'help, of the program or of one command',
    commands: COMMANDS,
  },
  version: { type: 'boolean', meaning: 'version and commit', commands: [] },
} as const satisfies Readonly<Record<string, Flag>>;

export type FlagName = keyof typeof FLAGS;

/** All of them, in the order in which they are shown. */
export const ALL_FLAGS = Object.entries(FLAGS) as readonly (readonly [FlagName, Flag])[];

/** The flags of a command. */
export function flagsOf(command: Command): readonly (readonly [FlagName, Flag])[] {
  return ALL_FLAGS.filter(([, flag]) => flag.commands.includes(command));
}

/** `--config FILE` */
export function flagUsage([name, { value }]: readonly [FlagName, Flag]): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}

/** Everything that a signal asks of the daemon. */
export const SIGNALS = [
  ['SIGHUP', 'look and probe at once'],
  ['SIGUSR1', 'restart now: without waiting for RESTART_WINDOW and RESTART_SPLAY'],
] as const;

/** The settings, then the program, as it stands in a shell. */
export const EXAMPLE = [
  'CERT_DIR=/etc/mosquitto/certs MOSQUITTO_CONTAINER=mosquitto UPSTREAM_ADDR=broker.example.com:8883',
  'mosquitto-cert-watcher',
] as const;
