/** `mosquitto-cert-watcher probe` as its users run it, against a real TLS server. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { COMPILE_CACHE } from '../../lab/compile-cache.ts';
import { PROGRAM } from '../../lab/daemon.ts';
import {
  closedPort,
  plainAlert,
  startSecondFlightRelay,
  startTcpServer,
  startTlsServer,
} from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { temporaryDirectory } from '../support/directory.ts';

const authority = await createAuthority({ cn: 'Upstream CA' });
const server = await authority.issue({ cn: 'broker.example.com', sans: ['127.0.0.1'] });

async function upstream(): Promise<number> {
  const { port, close } = await startTlsServer(server, authority.certPem);
  onTestFinished(close);
  return port;
}

/** One that answers every client certificate with alert 48, unknown CA. */
async function refusingUpstream(): Promise<number> {
  const behind = await startTlsServer(server, authority.certPem, { maxVersion: 'TLSv1.2' });
  onTestFinished(behind.close);
  const { port, close } = await startSecondFlightRelay(behind.port, (socket) => socket.end(plainAlert(48)));
  onTestFinished(close);
  return port;
}

/** One that sends as fast as it is read, and says no word of MQTT. */
async function floodingUpstream(): Promise<number> {
  const chunk = Buffer.alloc(65_536, 'x');
  const { port, close } = await startTlsServer(server, authority.certPem, {}, (socket) => {
    const flood = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', flood);
    flood();
  });
  onTestFinished(close);
  return port;
}

/** What a probe writes, and the most memory that its process had resident. */
async function peakOf(environment: Readonly<Record<string, string>>, mode: string) {
  const { child, ended, stdout } = start({ ...environment, TLS_PROBE_MODE: mode });
  let kilobytes = 0;
  const look = setInterval(() => {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    kilobytes = Math.max(kilobytes, Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0));
  }, 10);
  child.once('exit', () => clearInterval(look));
  await ended;
  return { megabytes: kilobytes / 1024, stdout: stdout() };
}

async function certificates(): Promise<string> {
  const certDir = await temporaryDirectory();
  const { chainPem, keyPem } = await authority.issue({ cn: 'edge-1' });
  await writeFile(join(certDir, 'ca.crt'), authority.certPem);
  await writeFile(join(certDir, 'client.crt'), chainPem);
  await writeFile(join(certDir, 'client.key'), keyPem);
  return certDir;
}

/** Starts `probe` with nothing else in its environment that matters. */
function start(environment: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const child = spawn(PROGRAM.node, [PROGRAM.main, 'probe', ...args], {
    env: { ...COMPILE_CACHE, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = once(child, 'close').then(([code]) => ({ code, stdout, stderr }));
  return { child, ended, stdout: () => stdout };
}

async function settings(port: number): Promise<Record<string, string>> {
  return { CERT_DIR: await certificates(), UPSTREAM_ADDR: `127.0.0.1:${port}` };
}

describe('probe', () => {
  test('of an upstream that accepts shows the phases and the verdict; exit code 0', async () => {
    const { code, stdout, stderr } = await start(await settings(await upstream())).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^probing 127\.0\.0\.1 port \d+\n( {2}(files|tcp|tls|settle) +\d+ ms\n){4}\naccepted {2}/,
    );
    expect(stdout).toContain('CN=broker.example.com');
  });

  test('of an upstream that refuses names cause and hint; exit code 1', async () => {
    const { code, stdout } = await start(await settings(await refusingUpstream())).ended;
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^failed {2}client_cert_rejected in phase tls\n {2}error .*\n {2}hint .*alert 48/m,
    );
  });

  test('--json is one object on one line, with the promised keys', async () => {
    const { code, stdout } = await start(await settings(await refusingUpstream()), '--json').ended;
    expect(code).toBe(1);
    expect(stdout.trimEnd()).not.toContain('\n');
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      cause: 'client_cert_rejected',
      hint: expect.any(String),
      error: expect.any(String),
      phase: 'tls',
      protocol: 'TLSv1.2',
      cipher: expect.any(String),
      duration_ms: expect.any(Number),
    });
  });

  test('asks also where the probes of the daemon are switched off', async () => {
    const environment = { ...(await settings(await closedPort())), ENABLE_TLS_PROBE: 'false' };
    const { code, stdout } = await start(environment, '--json').ended;
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ cause: 'tcp' });
  });

  test.each(['handshake', 'mqtt'])(
    'of an upstream that sends without end costs no memory to speak of (%s mode)',
    async (mode) => {
      const quiet = await peakOf(await settings(await upstream()), mode);
      const flooded = await peakOf(await settings(await floodingUpstream()), mode);
      expect(flooded.stdout).toContain('failed  protocol in phase');
      expect(flooded.megabytes - quiet.megabytes).toBeLessThan(8);
    },
  );

  test('of an upstream with control characters in its certificate prints none of them', async () => {
    const subject = 'CN=\u001b]0;owned\u0007\u009b31m,O=\u202elaw';
    const identity = await authority.issue({ subject, sans: ['\u001b[2Jbroker'] });
    const { port, close } = await startTlsServer(identity, authority.certPem);
    onTestFinished(close);
    const { code, stdout } = await start(await settings(port)).ended;
    expect(code).toBe(1);
    expect(stdout).toContain('server_name_mismatch');
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test('without an upstream is a matter of settings; exit code 2', async () => {
    const { code, stdout, stderr } = await start({ ENABLE_TLS_PROBE: 'false' }).ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/UPSTREAM_ADDR is not set; name the broker to probe as host:port/);
  });

  test('with a setting that is not usable ends with exit code 2', async () => {
    const { code, stderr } = await start({ UPSTREAM_ADDR: 'broker:0', TLS_TIMEOUT: 'soon' }).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/UPSTREAM_ADDR="broker:0"(.|\n)*TLS_TIMEOUT="soon"/);
  });

  test('that is interrupted ends at once and without a verdict; exit code 1', async () => {
    const { port, close } = await startTcpServer(() => undefined);
    onTestFinished(close);
    const probe = start({ ...(await settings(port)), TLS_TIMEOUT: '60s' });
    await until('the TCP connection', () => probe.stdout().includes('tcp'));
    probe.child.kill('SIGINT');
    const { code, stdout } = await probe.ended;
    expect(code).toBe(1);
    expect(stdout).not.toMatch(/accepted|failed/);
  });
});
