/** The probe against the servers that brokers, and the proxies in front of them, really are. */

import { readdir } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Authority,
  createAuthority,
  createSelfSigned,
  daysFromNow,
  type Issued,
  type KeyType,
} from '../../lab/certificates.ts';
import {
  executable,
  type RabbitMq,
  type RealServer,
  startHaproxy,
  startMosquitto,
  startNginxHttp,
  startNginxStream,
  startOpensslServer,
  startPlainMosquitto,
  startRabbitMq,
  startStunnel,
  type TlsVersion,
  type UpstreamSetup,
} from '../../lab/real-servers.ts';
import { closedPort, type RunningServer, startTcpServer } from '../../lab/tls-servers.ts';
import { createTlsProbe } from '../../src/adapters/tls-probe/probe.ts';
import type { ProbeVerdict } from '../../src/core/model/probe.ts';
import { createCertificateSet, type SetContents } from '../support/certificate-set.ts';
import { skipped } from '../support/needs.ts';
import { type ProbeOptions, runProbe } from '../support/run-probe.ts';

const VERSIONS: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];
/** of the probe of a server that hangs, beside which all tests of this file run: what comes before is done by then */
const HANGS_AFTER_MS = 5_000;
/** when the expired certificates were still good: our own check lets them pass, the server's does not */
const THEN_MS = Date.now() - 2 * 86_400_000;
const PAST = { notBefore: daysFromNow(-9), notAfter: daysFromNow(-1) };

let root: Authority;
let issuing: Authority;
let stranger: Authority;
let broker: Issued;
let good: SetContents;
let refused: Readonly<Record<Refusal, SetContents>>;
let crl: string;
let backend: RunningServer;
/** It takes longest to start, and is asked last. */
let rabbitStarts: Promise<RabbitMq> | undefined;

type Refusal =
  | 'of an unknown CA'
  | 'without its intermediate'
  | 'that has expired'
  | 'that is revoked'
  | 'that is for servers only'
  | 'under an expired CA';

beforeAll(async () => {
  root = await createAuthority({ cn: 'Root CA' });
  issuing = await root.intermediate({ cn: 'Issuing CA' });
  stranger = await createAuthority({ cn: 'Some Other CA' });
  broker = await root.issue({ cn: 'broker', sans: ['localhost', '127.0.0.1'], key: 'rsa-2048' });
  const old = await root.intermediate({ cn: 'Old CA', ...PAST });
  const edge = await issuing.issue({ cn: 'edge-1' });
  const revoked = await issuing.issue({ cn: 'edge-2' });
  crl = (await root.crl([])) + (await issuing.crl([revoked])) + (await old.crl([]));
  good = presenting(edge);
  refused = {
    'of an unknown CA': presenting(await stranger.issue()),
    'without its intermediate': { ...good, cert: edge.certPem },
    'that has expired': presenting(await root.issue(PAST)),
    'that is revoked': presenting(revoked),
    'that is for servers only': presenting(await root.issue({ usages: ['server'] })),
    'under an expired CA': presenting(await old.issue()),
  };
  backend = await startTcpServer(() => undefined);
  if (missing(...RABBITMQ)) return;
  rabbitStarts = startRabbitMq({ identity: broker, trusted: root.certPem });
  // whoever asks it is told
  rabbitStarts.catch(() => undefined);
});

afterAll(async () => {
  await backend.close();
  await (await rabbitStarts?.catch(() => undefined))?.close();
});

function presenting({ chainPem, keyPem }: Issued): SetContents {
  return { ca: root.certPem, cert: chainPem, key: keyPem };
}

type Start = (setup: UpstreamSetup) => Promise<RealServer>;

/** Starts a server for one test and ends it afterwards, whatever happens. */
async function withServer<T>(
  start: Start,
  changes: Partial<UpstreamSetup>,
  use: (server: RealServer) => Promise<T>,
): Promise<T> {
  const setup = {
    identity: broker,
    trusted: root.certPem,
    version: 'TLSv1.3',
    backendPort: backend.port,
  } as const;
  const server = await start({ ...setup, ...changes });
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}

function verdictOf(
  start: Start,
  changes: Partial<UpstreamSetup>,
  set: SetContents,
  options: Partial<ProbeOptions> = {},
): Promise<ProbeVerdict> {
  return withServer(start, changes, ({ port }) => runProbe(set, { port, ...options }));
}

interface Kind {
  readonly name: string;
  readonly program: string;
  readonly start: Start;
  /** what the server makes of each client certificate: the number of an alert, or nothing but an end */
  readonly refusals: Readonly<Record<Refusal, number | 'end'>>;
}

const OPENSSL_ALERTS: Kind['refusals'] = {
  'of an unknown CA': 48,
  'without its intermediate': 48,
  'that has expired': 45,
  'that is revoked': 44,
  'that is for servers only': 43,
  'under an expired CA': 45,
};
const ONLY_AN_END: Kind['refusals'] = {
  'of an unknown CA': 'end',
  'without its intermediate': 'end',
  'that has expired': 'end',
  'that is revoked': 'end',
  'that is for servers only': 'end',
  'under an expired CA': 'end',
};
const KINDS: readonly Kind[] = [
  { name: 'mosquitto', program: 'mosquitto', start: startMosquitto, refusals: OPENSSL_ALERTS },
  { name: 'haproxy', program: 'haproxy', start: startHaproxy, refusals: OPENSSL_ALERTS },
  { name: 'stunnel', program: 'stunnel', start: startStunnel, refusals: OPENSSL_ALERTS },
  { name: 'openssl s_server', program: 'openssl', start: startOpensslServer, refusals: OPENSSL_ALERTS },
  { name: 'nginx stream', program: 'nginx', start: startNginxStream, refusals: ONLY_AN_END },
];

const RABBITMQ = ['rabbitmq-server', 'rabbitmqctl', 'epmd'] as const;

function missing(...programs: readonly string[]): boolean {
  return programs.some((program) => executable(program) === undefined);
}

/** Why a test that needs these programs is skipped, for its title. */
function without(...programs: readonly string[]): string {
  const absent = programs.filter((program) => missing(program));
  return skipped(absent.length === 0 ? { ok: true } : { ok: false, reason: `no ${absent.join(', ')} here` });
}

// these groups are asked beside each other
describe.concurrent.each(KINDS)('$name', ({ program, start, refusals }) => {
  describe.skipIf(missing(program)).each(VERSIONS)(`with %s${without(program)}`, (version) => {
    test.concurrent('accepts a good client certificate', async () => {
      const verdict = await verdictOf(start, { version, crl }, good);
      expect(verdict).toMatchObject({
        ok: true,
        proof: 'settled',
        protocol: version,
        server: { subject: 'CN=broker' },
      });
    });

    test.concurrent.each(Object.entries(refusals))(
      'refuses a client certificate %s (%s)',
      async (name, how) => {
        const set = Object.entries(refused).find(([key]) => key === name)?.[1] ?? good;
        const options = name === 'that has expired' ? { nowMs: THEN_MS } : {};
        const verdict = await verdictOf(start, { version, crl }, set, options);
        if (how === 'end') {
          expect(verdict).toMatchObject({ ok: false, cause: 'closed_after_handshake', phase: 'settle' });
        } else {
          const phase = version === 'TLSv1.3' ? 'settle' : 'tls';
          const error = expect.stringContaining(`SSL alert number ${how}`);
          expect(verdict).toMatchObject({
            ok: false,
            cause: 'client_cert_rejected',
            phase,
            protocol: version,
            error,
          });
        }
      },
    );

    test.concurrent('is told from a server whose certificate has expired', async () => {
      const identity = await root.issue({ cn: 'late', sans: ['localhost'], ...PAST });
      const verdict = await verdictOf(start, { version, identity }, good);
      expect(verdict).toMatchObject({
        cause: 'server_cert_expired',
        phase: 'tls',
        server: { subject: 'CN=late' },
      });
    });

    test.concurrent('is told from a server of another CA', async () => {
      const identity = await stranger.issue({ sans: ['localhost'] });
      expect(await verdictOf(start, { version, identity }, good)).toMatchObject({
        cause: 'server_cert_untrusted',
        phase: 'tls',
      });
    });

    test.concurrent('is told from a server of another name', async () => {
      const identity = await root.issue({ sans: ['mqtt.example.com'] });
      const verdict = await verdictOf(start, { version, identity }, good);
      expect(verdict).toMatchObject({
        cause: 'server_name_mismatch',
        hint: expect.stringContaining('mqtt.example.com'),
      });
    });
  });
});

describe.skipIf(missing('mosquitto')).concurrent(`mosquitto in particular${without('mosquitto')}`, () => {
  test.concurrent.each<KeyType>(['rsa-2048', 'rsa-3072', 'p256', 'p384', 'p521', 'ed25519'])(
    'accepts a client key of type %s',
    async (key) => {
      const verdict = await verdictOf(startMosquitto, {}, presenting(await root.issue({ key })), {
        mode: 'mqtt',
      });
      expect(verdict).toMatchObject({ ok: true, proof: 'connack' });
    },
  );

  test.concurrent('with an expired revocation list refuses everybody with alert 45', async () => {
    const dates = { thisUpdate: daysFromNow(-9), nextUpdate: daysFromNow(-1) };
    const expired = (await root.crl([], dates)) + (await issuing.crl([], dates));
    const verdict = await verdictOf(startMosquitto, { crl: expired }, good);
    expect(verdict).toMatchObject({
      cause: 'client_cert_rejected',
      error: expect.stringMatching(/alert number 45/),
    });
    expect(verdict).toMatchObject({ hint: expect.stringMatching(/CRL/) });
  });

  test.concurrent.each([
    ['TLSv1.3', 'server_cert_untrusted'],
    ['TLSv1.2', 'client_cert_rejected'],
  ] as const)('with fault on both sides, %s reports %s', async (version, cause) => {
    const identity = await stranger.issue({ sans: ['localhost'] });
    const verdict = await verdictOf(startMosquitto, { version, identity }, refused['of an unknown CA']);
    expect(verdict).toMatchObject({ ok: false, cause });
  });

  test.concurrent('on its plain port is protocol', async () => {
    const verdict = await verdictOf(startPlainMosquitto, {}, good);
    expect(verdict).toMatchObject({ cause: 'protocol', phase: 'tls', hint: expect.stringMatching(/1883/) });
  });

  test.concurrent('that hangs is a timeout in phase tls', async () => {
    const verdict = await withServer(startMosquitto, {}, (server) => {
      process.kill(server.pid, 'SIGSTOP');
      return runProbe(good, { port: server.port, timeoutMs: HANGS_AFTER_MS });
    });
    expect(verdict).toMatchObject({ cause: 'timeout', phase: 'tls' });
  });

  test.concurrent('sees an orderly client that logs in and out again in mqtt mode', async () => {
    const log = await withServer(startMosquitto, {}, async (server) => {
      expect(await runProbe(good, { port: server.port, mode: 'mqtt' })).toMatchObject({
        ok: true,
        proof: 'connack',
      });
      return server.log();
    });
    // MQTT 3.1.1 with a clean session: Mosquitto 2.0 counts its protocols, 2.1 tells the level of the protocol
    expect(log).toMatch(
      /New client connected from 127\.0\.0\.1:\d+ as mosquitto-cert-watcher-probe-[0-9a-f]{12} \(p[24], c1,/,
    );
    expect(log).toMatch(/Received DISCONNECT from mosquitto-cert-watcher-probe-/);
    expect(log).not.toMatch(/error/i);
  });

  test.concurrent('logs no error about a probe in handshake mode', async () => {
    const log = await withServer(startMosquitto, {}, async (server) => {
      expect((await runProbe(good, { port: server.port })).ok).toBe(true);
      return server.log();
    });
    expect(log).toMatch(/New connection from/);
    expect(log).not.toMatch(/error/i);
  });

  test.concurrent('that wants a password is mqtt_refused with code 5', async () => {
    const verdict = await verdictOf(startMosquitto, { extra: ['allow_anonymous false'] }, good, {
      mode: 'mqtt',
    });
    expect(verdict).toMatchObject({
      cause: 'mqtt_refused',
      phase: 'mqtt',
      error: expect.stringMatching(/5 \(not authorized\)/),
    });
  });

  test.concurrent.each(VERSIONS)(
    'refuses a certificate in mqtt mode forty times without one success (%s)',
    async (version) => {
      const verdicts = await withServer(startMosquitto, { version }, ({ port }) =>
        Promise.all(
          Array.from({ length: 40 }, () => runProbe(refused['of an unknown CA'], { port, mode: 'mqtt' })),
        ),
      );
      expect(causesOf(verdicts)).toEqual({ client_cert_rejected: 40 });
    },
  );
});

describe.skipIf(missing('openssl')).concurrent(`openssl s_server in particular${without('openssl')}`, () => {
  test.concurrent.each([
    ['TLSv1.3', 116],
    ['TLSv1.2', 40],
  ] as const)(
    'that does not take our kind of key sees no certificate (%s: alert %i)',
    async (version, alert) => {
      const extra = ['-client_sigalgs', 'RSA-PSS+SHA256'];
      const verdict = await verdictOf(startOpensslServer, { version, extra }, good);
      expect(verdict).toMatchObject({
        cause: 'client_cert_rejected',
        error: expect.stringContaining(`alert number ${alert}`),
      });
    },
  );

  test.concurrent.each([
    [2, { ok: true }],
    [20_000, { ok: false, cause: 'protocol', hint: expect.stringMatching(/sends without end/) }],
  ])('that sends %i session tickets', async (tickets, verdict) => {
    const extra = ['-num_tickets', String(tickets)];
    expect(await verdictOf(startOpensslServer, { extra }, good)).toMatchObject(verdict);
  });

  test.concurrent('of TLS 1.1 is protocol', async () => {
    const extra = ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'];
    const verdict = await verdictOf(startOpensslServer, { extra }, good);
    expect(verdict).toMatchObject({ cause: 'protocol', error: expect.stringMatching(/alert number 70/) });
  });

  test.concurrent('without a common cipher is protocol', async () => {
    const extra = ['-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'];
    const verdict = await verdictOf(startOpensslServer, { version: 'TLSv1.2', extra }, good);
    expect(verdict).toMatchObject({ cause: 'protocol', error: expect.stringMatching(/alert number 40/) });
  });

  test.concurrent('that serves another name is sni_rejected', async () => {
    const extra = ['-servername', 'known.example.com', '-servername_fatal'];
    const verdict = await verdictOf(startOpensslServer, { extra }, good);
    expect(verdict).toMatchObject({ cause: 'sni_rejected', hint: expect.stringMatching(/TLS_SNI/) });
  });

  test.concurrent.each([
    ['self-signed', () => createSelfSigned({ sans: ['localhost'] }), /^DEPTH_ZERO_SELF_SIGNED_CERT/],
    ['for clients only', () => root.issue({ sans: ['localhost'], usages: ['client'] }), /^INVALID_PURPOSE/],
    [
      'of the future',
      () => root.issue({ sans: ['localhost'], notBefore: daysFromNow(1) }),
      /^CERT_NOT_YET_VALID/,
    ],
    [
      'with RSA 1024',
      () => root.issue({ sans: ['localhost'], key: 'rsa-1024' }),
      /^UNSPECIFIED: .*too (weak|small)/i,
    ],
  ] as const)('with a certificate %s is not trusted', async (_name, issue, error) => {
    const extra = ['-cipher', 'DEFAULT@SECLEVEL=0'];
    const verdict = await verdictOf(startOpensslServer, { identity: await issue(), extra }, good);
    expect(verdict).toMatchObject({ ok: false, phase: 'tls', error: expect.stringMatching(error) });
    expect(['server_cert_untrusted', 'server_cert_expired']).toContain(verdict.ok ? 'ok' : verdict.cause);
  });

  test.concurrent('that does not send its intermediate is server_cert_untrusted', async () => {
    const leaf = await issuing.issue({ sans: ['localhost'] });
    const verdict = await verdictOf(
      startOpensslServer,
      { identity: { ...leaf, chainPem: leaf.certPem } },
      good,
    );
    expect(verdict).toMatchObject({
      cause: 'server_cert_untrusted',
      hint: expect.stringMatching(/CN=Issuing CA/),
    });
  });
});

describe.concurrent('a TLS proxy', () => {
  const PROXIES = KINDS.filter(({ name }) => ['nginx stream', 'haproxy', 'stunnel'].includes(name));

  describe.each(PROXIES)('$name', ({ program, start }) => {
    // haproxy tries for three seconds to reach it, longer than a probe in handshake mode listens
    const mode = program === 'haproxy' ? 'mqtt' : 'handshake';
    test
      .skipIf(missing(program))
      .concurrent(
        `without its backend is closed_after_handshake (${mode} mode)${without(program)}`,
        async () => {
          const verdict = await verdictOf(start, { backendPort: await closedPort() }, good, { mode });
          expect(verdict).toMatchObject({ cause: 'closed_after_handshake' });
        },
      );

    test
      .skipIf(missing(program, 'mosquitto'))
      .concurrent(`in front of a broker logs in in mqtt mode${without(program, 'mosquitto')}`, async () => {
        const verdict = await withServer(startPlainMosquitto, {}, ({ port }) =>
          verdictOf(start, { backendPort: port }, good, { mode: 'mqtt' }),
        );
        expect(verdict).toMatchObject({ ok: true, proof: 'connack' });
      });

    test
      .skipIf(missing(program, 'mosquitto'))
      .concurrent(
        `never passes a refused certificate on to the broker${without(program, 'mosquitto')}`,
        async () => {
          const verdict = await withServer(startPlainMosquitto, {}, ({ port }) =>
            verdictOf(start, { backendPort: port }, refused['of an unknown CA'], { mode: 'mqtt' }),
          );
          expect(verdict).toMatchObject({ ok: false, phase: 'mqtt' });
        },
      );
  });

  test
    .skipIf(missing('haproxy'))
    .concurrent(`haproxy that serves no such name is sni_rejected${without('haproxy')}`, async () => {
      const verdict = await verdictOf(startHaproxy, { extra: ['strict-sni'] }, good, {
        serverName: 'unknown.example.com',
      });
      expect(verdict).toMatchObject({ cause: 'sni_rejected' });
    });

  test
    .skipIf(missing('nginx'))
    .concurrent(`nginx that serves no such name is sni_rejected${without('nginx')}`, async () => {
      const start: Start = (setup) => startNginxHttp(setup, 'rejects names');
      expect(await verdictOf(start, {}, good)).toMatchObject({ cause: 'sni_rejected' });
    });

  test.skipIf(missing('nginx')).concurrent(`nginx without TLS is protocol${without('nginx')}`, async () => {
    const start: Start = (setup) => startNginxHttp(setup, 'plain');
    expect(await verdictOf(start, {}, good)).toMatchObject({
      cause: 'protocol',
      hint: expect.stringMatching(/not TLS/),
    });
  });
});

describe.skipIf(missing(...RABBITMQ))(`RabbitMQ${without(...RABBITMQ)}`, () => {
  let rabbit: RabbitMq;

  beforeAll(async () => {
    if (rabbitStarts === undefined) throw new Error('it was not started');
    rabbit = await rabbitStarts;
  });

  const REFUSED = [
    ['of an unknown CA', '48'],
    ['without its intermediate', '48'],
    ['that has expired', '45'],
    // 40 in Erlang 25, 43 in 27
    ['that is for servers only', '40|43'],
  ] as const;

  // in this order: the last describe changes the broker for good
  describe.each([...VERSIONS].reverse())('with %s', (version) => {
    beforeAll(() =>
      rabbit.evaluate(
        `application:stop(rabbitmq_mqtt), {ok, O} = application:get_env(rabbit, ssl_options),
         application:set_env(rabbit, ssl_options, lists:keystore(versions, 1, O, {versions, ['${version.toLowerCase()}']})),
         application:start(rabbitmq_mqtt).`,
      ),
    );

    test.concurrent('accepts a good client certificate', async () => {
      const verdict = await runProbe(good, { port: rabbit.port });
      expect(verdict).toMatchObject({ ok: true, proof: 'settled', protocol: version });
    });

    test.concurrent('accepts a login in mqtt mode', async () => {
      const verdict = await runProbe(good, { port: rabbit.port, mode: 'mqtt' });
      expect(verdict).toMatchObject({ ok: true, proof: 'connack', protocol: version });
    });

    test.concurrent.each(REFUSED)('refuses a client certificate %s (alert %s)', async (name, alert) => {
      const options = name === 'that has expired' ? { nowMs: THEN_MS } : {};
      for (const mode of ['handshake', 'mqtt'] as const) {
        const verdict = await runProbe(refused[name], { port: rabbit.port, mode, ...options });
        const error = expect.stringMatching(`SSL alert number (${alert})`);
        expect(verdict).toMatchObject({ ok: false, cause: 'client_cert_rejected', error });
      }
    });

    test.concurrent('refuses a certificate forty times without one success', async () => {
      const one = () => runProbe(refused['of an unknown CA'], { port: rabbit.port });
      const verdicts = await Promise.all(Array.from({ length: 40 }, one));
      expect(causesOf(verdicts)).toEqual({ client_cert_rejected: 40 });
    });
  });

  test('on its plain port is protocol', async () => {
    expect(await runProbe(good, { port: rabbit.plainPort })).toMatchObject({
      cause: 'protocol',
      phase: 'tls',
    });
  });

  test('that wants a password is mqtt_refused with code 4', async () => {
    await rabbit.evaluate('application:set_env(rabbitmq_mqtt, allow_anonymous, false).');
    const verdict = await runProbe(good, { port: rabbit.port, mode: 'mqtt' });
    expect(verdict).toMatchObject({
      cause: 'mqtt_refused',
      error: expect.stringMatching(/4 \(bad user name or password\)/),
    });
  });
});

describe.skipIf(missing('mosquitto', 'nginx', 'stunnel'))(
  `a thousand probes of a mixture of servers${without('mosquitto', 'nginx', 'stunnel')}`,
  () => {
    test('grow neither open files nor timers nor memory', async () => {
      const setup = {
        identity: broker,
        trusted: root.certPem,
        version: 'TLSv1.3',
        backendPort: backend.port,
      } as const;
      const servers = await Promise.all([
        startMosquitto(setup),
        startMosquitto({ ...setup, version: 'TLSv1.2' }),
        startNginxStream(setup),
        startStunnel(setup),
        startPlainMosquitto(),
      ]);
      const sets = await Promise.all([good, refused['of an unknown CA']].map(createCertificateSet));
      const ports = [...servers.map(({ port }) => port), await closedPort()];
      const probes = sets.flatMap(({ caFile, certFile, keyFile }) =>
        ports.map((port) => {
          const where = {
            host: '127.0.0.1',
            port,
            serverName: 'localhost',
            timeoutMs: 5_000,
            mode: 'handshake',
          } as const;
          return createTlsProbe({ caFile, certFile, keyFile, ...where }, { settleMinMs: 5 });
        }),
      );
      const round = async () => {
        const runs = probes.map(({ run }) =>
          run({ signal: new AbortController().signal, nowMs: Date.now() }),
        );
        expect((await Promise.all(runs)).filter((verdict) => verdict === undefined)).toEqual([]);
      };
      try {
        for (let warmUp = 0; warmUp < 30; warmUp++) await round();
        const before = await usage();
        for (let done = 0; done < 1_000; done += probes.length) await round();
        const after = await usage();
        expect(after.files).toBeLessThanOrEqual(before.files);
        expect(after.timers).toBeLessThanOrEqual(before.timers);
        expect(after.sockets).toBeLessThanOrEqual(before.sockets);
        // a context that leaks per probe would cost 50 MB and more
        expect(after.heapMb - before.heapMb).toBeLessThan(4);
        expect(after.residentMb - before.residentMb).toBeLessThan(25);
      } finally {
        await Promise.all([...servers.map(({ close }) => close()), ...sets.map(({ remove }) => remove())]);
      }
    });
  },
);

function causesOf(verdicts: readonly ProbeVerdict[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const verdict of verdicts) {
    const name = verdict.ok ? 'success' : verdict.cause;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** What this process holds, after a garbage collection. */
async function usage() {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  const resources = process.getActiveResourcesInfo();
  const { heapUsed, rss } = process.memoryUsage();
  return {
    files: (await readdir('/proc/self/fd')).length,
    timers: resources.filter((name) => name === 'Timeout').length,
    sockets: resources.filter((name) => /TCPSocket|TLS/.test(name)).length,
    heapMb: heapUsed / 2 ** 20,
    residentMb: rss / 2 ** 20,
  };
}
