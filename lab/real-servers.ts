/** Real TLS servers, started by hand on free loopback ports: what operators have at the other end. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, createWriteStream, existsSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Issued } from './certificates.ts';
import { removeTree } from './remove-tree.ts';
import { closedPort, type RunningServer } from './tls-servers.ts';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface UpstreamSetup {
  readonly identity: Pick<Issued, 'chainPem' | 'keyPem'>;
  /** PEM of the CAs whose client certificates are accepted */
  readonly trusted: string;
  readonly version: TlsVersion;
  /** PEM of the revocation lists of every CA in the chains, where the server is to check them */
  readonly crl?: string;
  /** of a TLS proxy: where it connects to */
  readonly backendPort?: number;
  /** a free one unless told: for a server that comes back */
  readonly port?: number;
  /** address that mosquitto listens at; 127.0.0.1 unless told */
  readonly host?: string;
  /** lines for the server's configuration, or arguments */
  readonly extra?: readonly string[];
}

export interface RealServer extends RunningServer {
  readonly pid: number;
  /** what the server has written to its output */
  log(): Promise<string>;
}

interface Files {
  readonly directory: string;
  readonly cert: string;
  readonly key: string;
  /** certificate, chain and key in one file, as haproxy wants it */
  readonly pem: string;
  readonly ca: string;
  readonly crl: string | undefined;
}

/** Debian's separate package; elsewhere the module may be compiled in. */
const NGINX_STREAM = '/usr/lib/nginx/modules/ngx_stream_module.so';

/**
 * Where a program is; Debian keeps servers where ordinary users have no PATH. RabbitMQ's own scripts come first,
 * because those in the PATH change to a user who may not write to our directories.
 */
export function executable(name: string): string | undefined {
  const directories = ['/usr/lib/rabbitmq/bin', ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

export async function startMosquitto(setup: UpstreamSetup): Promise<RealServer> {
  const { files, port } = await prepare(setup);
  const lines = [
    'user root',
    `listener ${port} ${setup.host ?? '127.0.0.1'}`,
    ...(setup.extra?.some((line) => line.startsWith('allow_anonymous')) ? [] : ['allow_anonymous true']),
    `cafile ${files.ca}`,
    `certfile ${files.cert}`,
    `keyfile ${files.key}`,
    'require_certificate true',
    `tls_version ${setup.version.toLowerCase()}`,
    ...(files.crl === undefined ? [] : [`crlfile ${files.crl}`]),
    ...(setup.extra ?? []),
  ];
  const config = await write(files, 'mosquitto.conf', lines);
  // `tls_version tlsv1.2` still lets 1.3 through, OpenSSL's own configuration does not
  const env = { OPENSSL_CONF: await write(files, 'openssl.cnf', opensslConfig(setup.version)) };
  return start('mosquitto', ['-v', '-c', config], { port, files, env });
}

/** Mosquitto with a listener without TLS. */
export async function startPlainMosquitto(): Promise<RealServer> {
  return startMosquittoWith(['allow_anonymous true']);
}

/** Mosquitto with one listener, and these lines after it; at a free port unless told. */
export async function startMosquittoWith(lines: readonly string[], fixedPort?: number): Promise<RealServer> {
  const directory = await mkdtemp(join(tmpdir(), 'mosquitto-'));
  const port = fixedPort ?? (await closedPort());
  const config = join(directory, 'mosquitto.conf');
  await writeFile(config, `${['user root', `listener ${port} 127.0.0.1`, ...lines].join('\n')}\n`);
  return start('mosquitto', ['-c', config], { port, files: { directory } });
}

/** nginx as a TLS proxy in front of TCP. */
export async function startNginxStream(setup: UpstreamSetup): Promise<RealServer> {
  const { files, port } = await prepare(setup);
  const server = [
    `listen 127.0.0.1:${port} ssl;`,
    ...nginxTls(files, setup),
    'ssl_verify_client on;',
    'ssl_verify_depth 3;',
    `ssl_client_certificate ${files.ca};`,
    ...(files.crl === undefined ? [] : [`ssl_crl ${files.crl};`]),
    `proxy_pass 127.0.0.1:${setup.backendPort};`,
  ];
  return startNginx(files, port, `stream { server { ${server.join(' ')} } }`);
}

/** nginx as a web server that serves only names that it knows (alert 112), or over HTTP without TLS. */
export async function startNginxHttp(
  setup: UpstreamSetup,
  kind: 'rejects names' | 'plain',
): Promise<RealServer> {
  const { files, port } = await prepare(setup);
  const tls = nginxTls(files, setup).join(' ');
  const rejecting = `server { listen 127.0.0.1:${port} ssl default_server; ${tls} ssl_reject_handshake on; }
    server { listen 127.0.0.1:${port} ssl; server_name known.example.com; ${tls} }`;
  const plain = `server { listen 127.0.0.1:${port}; }`;
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${files.directory}/${name};`,
  );
  return startNginx(
    files,
    port,
    `http { access_log off; ${paths.join(' ')} ${kind === 'plain' ? plain : rejecting} }`,
  );
}

export async function startHaproxy(setup: UpstreamSetup): Promise<RealServer> {
  const { files, port } = await prepare(setup);
  const crl = files.crl === undefined ? '' : `crl-file ${files.crl}`;
  const versions = `ssl-min-ver ${setup.version} ssl-max-ver ${setup.version}`;
  const config = await write(files, 'haproxy.cfg', [
    'defaults',
    '  mode tcp',
    '  timeout connect 2s',
    '  timeout client 30s',
    '  timeout server 30s',
    'frontend upstream',
    `  bind 127.0.0.1:${port} ssl crt ${files.pem} ca-file ${files.ca} ${crl} verify required ${versions} ${setup.extra?.join(' ') ?? ''}`,
    '  default_backend broker',
    'backend broker',
    `  server broker 127.0.0.1:${setup.backendPort}`,
  ]);
  return start('haproxy', ['-db', '-f', config], { port, files });
}

export async function startStunnel(setup: UpstreamSetup): Promise<RealServer> {
  const { files, port } = await prepare(setup);
  const config = await write(files, 'stunnel.conf', [
    'foreground = yes',
    'pid =',
    '[upstream]',
    `accept = 127.0.0.1:${port}`,
    `connect = 127.0.0.1:${setup.backendPort}`,
    `cert = ${files.cert}`,
    `key = ${files.key}`,
    `CAfile = ${files.ca}`,
    ...(files.crl === undefined ? [] : [`CRLfile = ${files.crl}`]),
    'verifyChain = yes',
    `sslVersionMin = ${setup.version}`,
    `sslVersionMax = ${setup.version}`,
  ]);
  return start('stunnel', [config], { port, files });
}

/** `openssl s_server`. Serves one connection at a time, so every test starts its own. */
export async function startOpensslServer(setup: UpstreamSetup): Promise<RealServer> {
  const { files, port } = await prepare(setup);
  const version = setup.extra?.some((argument) => argument.startsWith('-tls1'))
    ? []
    : [`-${setup.version.toLowerCase().replace('v', '').replace('.', '_')}`];
  // -CRL takes only the first list of a file, -CAfile takes certificates and lists alike
  const trusted = await write(files, 'trusted.pem', [setup.trusted, setup.crl ?? '']);
  const crl = files.crl === undefined ? [] : ['-crl_check_all'];
  const args = [
    '-accept',
    `127.0.0.1:${port}`,
    '-cert',
    files.cert,
    '-cert_chain',
    files.cert,
    '-key',
    files.key,
  ];
  // the certificate for the name that -servername makes it serve
  const named = setup.extra?.includes('-servername') ? ['-cert2', files.cert, '-key2', files.key] : [];
  const verify = ['-CAfile', trusted, '-Verify', '5', '-verify_return_error'];
  return start(
    'openssl',
    ['s_server', ...args, ...verify, ...crl, ...version, ...named, ...(setup.extra ?? [])],
    {
      port,
      files,
    },
  );
}

export interface RabbitMq extends RealServer {
  readonly plainPort: number;
  /** Evaluates Erlang in the broker: how its settings are changed without another slow start. */
  evaluate(erlang: string): Promise<string>;
}

/** RabbitMQ with its MQTT plugin, TLS 1.2 and 1.3. Takes ten seconds and more to start. */
export async function startRabbitMq(setup: Omit<UpstreamSetup, 'version'>): Promise<RabbitMq> {
  const { files, port } = await prepare({ ...setup, version: 'TLSv1.3' });
  const [plainPort, distribution, epmd] = [await closedPort(), await closedPort(), await closedPort()];
  const config = await write(files, 'rabbitmq.conf', [
    'listeners.tcp = none',
    `mqtt.listeners.tcp.1 = 127.0.0.1:${plainPort}`,
    `mqtt.listeners.ssl.1 = 127.0.0.1:${port}`,
    'mqtt.allow_anonymous = true',
    `ssl_options.cacertfile = ${files.ca}`,
    `ssl_options.certfile = ${files.cert}`,
    `ssl_options.keyfile = ${files.key}`,
    'ssl_options.verify = verify_peer',
    'ssl_options.fail_if_no_peer_cert = true',
    'ssl_options.depth = 3',
    'ssl_options.versions.1 = tlsv1.3',
    'ssl_options.versions.2 = tlsv1.2',
    'log.console = true',
  ]);
  const plugins = await write(files, 'enabled_plugins', ['[rabbitmq_mqtt].']);
  const env = {
    HOME: files.directory,
    RABBITMQ_NODENAME: 'probe@localhost',
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
    RABBITMQ_MNESIA_BASE: files.directory,
    RABBITMQ_LOG_BASE: files.directory,
    RABBITMQ_DIST_PORT: String(distribution),
    ERL_EPMD_PORT: String(epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  };
  const server = await start('rabbitmq-server', [], { port, files, env, patienceMs: 100_000 });
  const run = promisify(execFile);
  const evaluate = async (erlang: string) => {
    const { stdout } = await run(executable('rabbitmqctl') ?? '', ['-n', 'probe@localhost', 'eval', erlang], {
      env: { ...process.env, ...env },
    });
    return stdout;
  };
  const close = async () => {
    await server.close();
    // Erlang leaves its name server behind; this one is ours, by its port
    await run(executable('epmd') ?? 'epmd', ['-port', String(epmd), '-kill']).catch((error: Error) => {
      if (!/Killed|not running|Cannot connect/i.test(error.message)) throw error;
    });
  };
  return { ...server, close, plainPort, evaluate };
}

async function startNginx(files: Files, port: number, block: string): Promise<RealServer> {
  const config = await write(files, 'nginx.conf', [
    ...(existsSync(NGINX_STREAM) ? [`load_module ${NGINX_STREAM};`] : []),
    'daemon off;',
    'master_process off;',
    `pid ${files.directory}/nginx.pid;`,
    'error_log stderr info;',
    'events {}',
    block,
  ]);
  return start('nginx', ['-e', 'stderr', '-p', files.directory, '-c', config], { port, files });
}

function nginxTls(files: Files, { version }: UpstreamSetup): string[] {
  return [`ssl_certificate ${files.cert};`, `ssl_certificate_key ${files.key};`, `ssl_protocols ${version};`];
}

function opensslConfig(version: TlsVersion): string[] {
  return [
    'openssl_conf = init',
    '[init]',
    'ssl_conf = ssl',
    '[ssl]',
    'system_default = defaults',
    '[defaults]',
    `MinProtocol = ${version}`,
    `MaxProtocol = ${version}`,
    'CipherString = DEFAULT@SECLEVEL=2',
  ];
}

async function prepare({
  identity,
  trusted,
  crl,
  port,
}: UpstreamSetup): Promise<{ files: Files; port: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'upstream-'));
  const path = (name: string) => join(directory, name);
  await writeFile(path('server.crt'), identity.chainPem);
  await writeFile(path('server.key'), identity.keyPem, { mode: 0o600 });
  await writeFile(path('server.pem'), identity.chainPem + identity.keyPem, { mode: 0o600 });
  await writeFile(path('clients.crt'), trusted);
  if (crl !== undefined) await writeFile(path('clients.crl'), crl);
  const files = {
    directory,
    cert: path('server.crt'),
    key: path('server.key'),
    pem: path('server.pem'),
    ca: path('clients.crt'),
    crl: crl === undefined ? undefined : path('clients.crl'),
  };
  return { files, port: port ?? (await closedPort()) };
}

async function write({ directory }: Files, name: string, lines: readonly string[]): Promise<string> {
  await writeFile(join(directory, name), `${lines.join('\n')}\n`);
  return join(directory, name);
}

interface StartOptions {
  readonly port: number;
  readonly files: Pick<Files, 'directory'>;
  readonly env?: Readonly<Record<string, string>>;
  readonly patienceMs?: number;
}

/** Starts a server in the foreground and waits for its port; it is ended by its own pid. */
async function start(name: string, args: readonly string[], options: StartOptions): Promise<RealServer> {
  const { port, files, env = {}, patienceMs = 30_000 } = options;
  const logFile = join(files.directory, 'output.log');
  const child = spawn(executable(name) ?? name, args, {
    env: { ...process.env, ...env },
    cwd: files.directory,
    // s_server ends when its standard input does
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = createWriteStream(logFile);
  child.stdout.pipe(output, { end: false });
  child.stderr.pipe(output, { end: false });
  const log = () => readFile(logFile, 'utf8');
  const close = async () => {
    await end(child);
    // what it said last may still be in its pipes
    child.stdout.unpipe(output);
    child.stderr.unpipe(output);
    output.end();
    await removeTree(files.directory);
  };
  if (!(await comesUp(child, port, patienceMs))) {
    const said = await log();
    await close();
    throw new Error(`${name} does not listen at port ${port}:\n${said}`);
  }
  return { port, pid: child.pid ?? 0, log, close };
}

async function comesUp(child: ChildProcess, port: number, patienceMs: number): Promise<boolean> {
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline && child.exitCode === null) {
    if (await isListening(port)) return true;
    await sleep(25);
  }
  return false;
}

/** Asks the kernel, because a connection without TLS would be the first thing in the server's log. */
async function isListening(port: number): Promise<boolean> {
  const listening = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F]+:0000 0A `);
  return listening.test(await readFile('/proc/net/tcp', 'utf8'));
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGCONT');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await gone;
  clearTimeout(late);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // not there, or not for us: both mean that it cannot be used
    return false;
  }
}
