/**
 * Everything that comes from outside may be anything: it yields a value, or a problem in words. It never throws, never
 * hangs, and never takes memory without bound.
 */

import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { closedPort, startTlsServer } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { createWorld } from '../../lab/world.ts';
import { createBridgeListener } from '../../src/adapters/broker-listener/bridges.ts';
import { findEngineAccess } from '../../src/adapters/engine/access.ts';
import { createContainer } from '../../src/adapters/engine/container.ts';
import { createLabelSearch } from '../../src/adapters/engine/find-by-label.ts';
import { createSwarmService } from '../../src/adapters/engine/service.ts';
import { createStateFile, parseStates } from '../../src/adapters/state-file.ts';
import { verifyServerIdentity } from '../../src/adapters/tls-probe/server-identity.ts';
import { loadSettings, parseConfig } from '../../src/config/load.ts';
import { TABLE } from '../../src/config/table.ts';
import { ENGINE_CAUSES, type EngineAnswer } from '../../src/core/model/broker.ts';
import { PROBE_CAUSES } from '../../src/core/model/probe.ts';
import type { EngineEndpoint } from '../../src/core/model/settings.ts';
import { text } from '../../src/surfaces/web/answer.ts';
import { type Route, startHttpServer } from '../../src/surfaces/web/server.ts';
import { parseCertificates } from '../../src/system/x509.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { SUBACK, startFakeBroker, stateOf } from '../support/fake-broker.ts';
import { MEASURED } from '../support/measured.ts';
import { processorMsOf } from '../support/processor-time.ts';
import { runProbe } from '../support/run-probe.ts';
import { httpText, inspection, type Reply, startScriptedEngine } from '../support/scripted-engine.ts';

const authority = await createAuthority({ cn: 'Example CA' });
const client = await authority.issue({ cn: 'edge-1', sans: ['127.0.0.1'], key: 'rsa-2048' });
const PEM = Buffer.from(client.certPem + authority.certPem);
const DER = Buffer.from(client.certificate.rawData);

const MEGABYTE = 2 ** 20;

/** One change of a file: bytes at a place are replaced by others, fewer or more. */
const damage = fc.record({
  at: fc.nat(),
  length: fc.nat({ max: 40 }),
  bytes: fc.uint8Array({ maxLength: 40 }),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function damaged(whole: Buffer, damages: readonly Damage[]): Buffer {
  return damages.reduce<Buffer>((before, { at, length, bytes }) => {
    const from = at % (before.length + 1);
    return Buffer.concat([before.subarray(0, from), bytes, before.subarray(from + length)]);
  }, whole);
}

const damages = fc.array(damage, { minLength: 1, maxLength: 5 });

/** Any text as a common name (RFC 4514, 2.4: what is not a letter or a digit is escaped). */
function commonName(value: string): string {
  return `CN=${value.replace(/[^A-Za-z0-9]/g, (sign) => `\\${Buffer.from(sign).toString('hex')}`) || 'x'}`;
}

/** A value, or a problem in one line. */
function expectAnswer(result: ReturnType<typeof parseCertificates>): void {
  if (result.ok) expect(result.certificates.length).toBeGreaterThan(0);
  else expect(result.problem).toMatch(/^\S[^\n]*$/);
}

describe('a certificate file', () => {
  it('may be any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) =>
        expectAnswer(parseCertificates(Buffer.from(bytes), 'chain')),
      ),
    );
  });

  it('may be a good one with damage', () => {
    fc.assert(
      fc.property(damages, (some) => expectAnswer(parseCertificates(damaged(PEM, some), 'chain'))),
      { numRuns: 1_000 },
    );
  });

  it('may hold good PEM around damaged DER', () => {
    fc.assert(
      fc.property(damages, (some) => {
        const base64 = damaged(DER, some).toString('base64').replace(/.{64}/g, '$&\n');
        const pem = `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
        expectAnswer(parseCertificates(Buffer.from(pem), 'chain'));
      }),
      { numRuns: 1_000 },
    );
  });

  it('may hold a certificate with thousands of names, of which few are kept', MEASURED, async () => {
    const sans = Array.from({ length: 3_000 }, (_, index) => `host-${index}.example.com`);
    const { certPem } = await authority.issue({ subject: '', sans });
    let result: ReturnType<typeof parseCertificates> | undefined;
    const ms = processorMsOf(() => {
      result = parseCertificates(Buffer.from(certPem), 'chain');
    });
    expect(ms).toBeLessThan(1_000);
    expect(result?.ok && result.certificates[0]?.subject).toBe('DNS:host-0.example.com');
  });

  it('may hold a value within a value, without end', () => {
    const deep = Buffer.from('3080'.repeat(MEGABYTE / 3), 'hex').toString('base64');
    const pem = `-----BEGIN CERTIFICATE-----\n${deep.slice(0, deep.length & ~3)}\n-----END CERTIFICATE-----\n`;
    expectAnswer(parseCertificates(Buffer.from(pem), 'chain'));
  });

  it.each([
    ['a megabyte of tiny blocks', '-----BEGIN A-----\nAAAA\n-----END A-----\n'.repeat(MEGABYTE / 39)],
    ['a megabyte of certificates', authority.certPem.repeat(MEGABYTE / authority.certPem.length)],
    ['a megabyte of keys', authority.keyPem.repeat(MEGABYTE / authority.keyPem.length)],
    ['a megabyte of NULs at the ends of lines', 'x\0\n'.repeat(MEGABYTE / 3)],
    ['a megabyte of BEGIN lines that are none', 'x-----BEGIN CERTIFICATE-----\n'.repeat(MEGABYTE / 29)],
    ['a BEGIN line of a megabyte', `-----BEGIN ${' '.repeat(MEGABYTE - 20)}-----\n`],
    ['a megabyte of dashes', '-'.repeat(MEGABYTE)],
    ['a megabyte of BEGIN lines', '-----BEGIN CERTIFICATE-----\n'.repeat(MEGABYTE / 28)],
    ['a megabyte of empty lines', '\n'.repeat(MEGABYTE)],
    [
      'a block of a megabyte of base64',
      `-----BEGIN CERTIFICATE-----\n${'A'.repeat(MEGABYTE - 60)}\n-----END CERTIFICATE-----\n`,
    ],
  ])('may be %s, and is judged in a moment', MEASURED, (_what, content) => {
    const ms = processorMsOf(() => expectAnswer(parseCertificates(Buffer.from(content), 'chain')));
    expect(ms).toBeLessThan(1_000);
  });
});

describe('settings', () => {
  it('may be any JSON file', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (content) => {
        const { values, problems } = parseConfig(content, 'x.json');
        expect(values.size + problems.length).toBeGreaterThanOrEqual(0);
        expect(problems.filter((problem) => problem.includes('\n'))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    [
      'a hundred thousand keys',
      `{${Array.from({ length: 100_000 }, (_, index) => `"k${index}":1`).join()}}`,
      21,
    ],
    ['a key of a megabyte', `{"${'x'.repeat(MEGABYTE)}":1}`, 1],
    ['a value of a megabyte', `{"cert_dir":"${'x'.repeat(MEGABYTE)}"}`, 0],
    ['a depth of half a million', '['.repeat(MEGABYTE / 2) + ']'.repeat(MEGABYTE / 2), 1],
  ])('may be a file with %s, and are judged in a moment', MEASURED, (_what, content, problems) => {
    const ms = processorMsOf(() => expect(parseConfig(content, 'x.json').problems).toHaveLength(problems));
    expect(ms).toBeLessThan(1_000);
  });

  it('may have any value: every one is taken or told', async () => {
    const name = fc.constantFrom(...Object.values(TABLE).map((row) => row.name));
    const value = fc.oneof(
      fc.string(),
      fc.integer().map(String),
      fc.constantFrom('-1ns', '1e9h', '[::1]:0', '\0', '🦟'),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, value), async (environment) => {
        const loaded = await loadSettings(environment, undefined);
        if (!loaded.ok) expect(loaded.problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a state file', () => {
  const year = fc.integer({ min: 0, max: 9_999 }).map((each) => String(each).padStart(4, '0'));
  const zone = fc.constantFrom('Z', '+05', '-0530', '+23:59', '');
  /** what this program would write, and what only looks like it */
  const time = fc.oneof(
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc.tuple(year, zone).map(([digits, offset]) => `${digits}-02-30T24:60:60${offset}`),
    fc.tuple(year, zone).map(([digits, offset]) => `${digits}-03-01T12:00:00${offset}`),
    fc.constantFrom('2026-03-01T12:00:00Z', '0001-01-01T00:00:00Z', '+275760-09-13T00:00:00.000Z'),
    fc.json(),
  );
  const entry = fc.record(
    {
      applied: fc.record(
        {
          fingerprint: fc.oneof({ weight: 9, arbitrary: fc.stringMatching(/^[0-9a-f]{64}$/) }, fc.string()),
          started_at: fc.oneof(fc.string(), time),
          not_after: time,
          authorities: fc.string(),
        },
        { requiredKeys: ['fingerprint'] },
      ),
      strayed_at: time,
      stopped_by_us: fc.oneof(fc.string(), time),
      last_restart_at: time,
    },
    { requiredKeys: [] },
  );
  const shaped = entry.map((each) =>
    JSON.stringify({ version: 1, brokers: { 'eclipse-mosquitto': each } }, null, 2),
  );

  it('may hold any text or JSON', () => {
    const content = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((applied) => `{"version":1,"brokers":{"a":{"applied":${applied}}}}`),
      shaped,
    );
    fc.assert(
      fc.property(content, (text) => {
        for (const { applied, divergedAtMs, lastRestartAtMs } of parseStates(text)?.values() ?? [])
          for (const ms of [applied?.notAfterMs, divergedAtMs, lastRestartAtMs])
            if (ms !== undefined) expect(new Date(ms).toISOString()).toMatch(/^\d{4}-/);
      }),
      { numRuns: 1_000 },
    );
  });

  it('may be a good one with damage', async () => {
    const good = Buffer.from(
      '{"version":1,"brokers":{"a":{"last_restart_at":"2026-03-01T12:00:00Z","stopped_by_us":"x"}}}',
    );
    const path = join(await temporaryDirectory(), 'state.json');
    const { load } = createStateFile(path);
    await fc.assert(
      fc.asyncProperty(damages, async (some) => {
        await writeFile(path, damaged(good, some));
        const read = await load();
        if (!read.ok) expect(read.problem).toMatch(/^\S[^\n]*$/);
      }),
      { numRuns: 300 },
    );
  });

  it('may hold anything: no cycle fails of it, and no rotation waits for it longer than for the cooldown', async () => {
    await fc.assert(
      fc.asyncProperty(shaped, fc.constantFrom(0, 60_000), async (text, splayMs) => {
        const world = createWorld({
          settings: { checkIntervalMs: 5_000, stabilityWindowMs: 10_000, cooldownMs: 60_000, splayMs },
          withStateFile: true,
        });
        const states = parseStates(text);
        if (states === undefined) world.stateProblem = 'state file x holds no state of this program';
        else world.states = states;
        world.write('A');
        world.startWatcher();
        await world.advance(60_000 + splayMs + 15_000);
        expect([world.events('cycle_failed'), world.loaded]).toEqual([[], 'A']);
      }),
      { numRuns: 300 },
    );
  });

  it('may hold a restart of the future: a watcher that ends too soon each time holds no rotation back', async () => {
    const world = createWorld({ settings: { cooldownMs: 60_000 }, withStateFile: true });
    world.states =
      parseStates(
        '{"version":1,"brokers":{"eclipse-mosquitto":{"last_restart_at":"9999-12-31T23:59:59Z"}}}',
      ) ?? new Map();
    world.write('A');
    for (let life = 0; life < 5; life++) {
      const watcher = world.startWatcher();
      await world.advance(20_000);
      watcher.kill();
    }
    expect(world.loaded).toBe('A');
  });
});

describe('an engine', () => {
  const described = Buffer.from(
    httpText(200, JSON.stringify(inspection()), { 'Content-Type': 'application/json' }),
  );

  const bodies = fc.oneof(
    fc.json({ maxDepth: 10 }),
    // brackets and quotation marks in any order, and much of them
    fc
      .array(fc.constantFrom('[', ']', '{', '}', '"', '\\', ',', ':', '0', 'null'), { maxLength: 200 })
      .map((signs) => signs.join('').repeat(200)),
  );
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 500 }),
    damages.map((some) => damaged(described, some)),
    bodies.map((body) => Buffer.from(httpText(200, body))),
    fc
      .tuple(fc.constantFrom(100, 102, 103, 199, 204, 304, 308, 400, 404, 503), bodies)
      .map(([status, body]) => Buffer.from(httpText(status, body))),
  );

  it.each<[string, (endpoint: EngineEndpoint) => Promise<EngineAnswer<unknown>>]>([
    [
      'the state of a container',
      (endpoint) => createContainer(endpoint, 'broker').inspect({ timeoutMs: 500 }),
    ],
    ['a restart', (endpoint) => createContainer(endpoint, 'broker').restart('b'.repeat(64), 0)],
    ['a label', (endpoint) => createLabelSearch(endpoint, 'a=b')({ timeoutMs: 500 })],
    ['a service', (endpoint) => createSwarmService(endpoint, 'broker').inspect({ timeoutMs: 500 })],
  ])('may answer anything when it is asked for %s', async (_, ask) => {
    let answer: Uint8Array = described;
    const reply: Reply = (socket) => socket.end(answer);
    const { endpoint } = await startScriptedEngine({ ping: reply, inspect: reply, restart: reply });
    await fc.assert(
      fc.asyncProperty(anything, async (bytes) => {
        answer = bytes;
        const result = await ask(endpoint);
        if (!result.ok) {
          expect(ENGINE_CAUSES).toContain(result.cause);
          expect(result.problem).toMatch(/^[^\n]{1,500}$/);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('may answer anything when it is asked what it grants', async () => {
    let answer: Uint8Array = described;
    const { endpoint } = await startScriptedEngine({ inspect: (socket) => socket.end(answer) });
    const never = new AbortController().signal;
    await fc.assert(
      fc.asyncProperty(anything, async (bytes) => {
        answer = bytes;
        const { kind } = await findEngineAccess(endpoint, ['/info'], never);
        expect(['whole_engine', 'restricted', 'unknown']).toContain(kind);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the HTTP server', () => {
  it('may be asked anything, and answers others afterwards', async () => {
    const port = await closedPort();
    const routes = new Map<string, Route>([['/', { answer: () => text(200, 'here') }]]);
    const server = startHttpServer({ host: '127.0.0.1', port, routes, say: () => undefined });
    onTestFinished(() => server.close());
    const request = Buffer.from('GET /metrics?a=b HTTP/1.1\r\nHost: gateway\r\nIf-None-Match: "1"\r\n\r\n');
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      damages.map((some) => damaged(request, some)),
    );
    await fc.assert(
      fc.asyncProperty(anything, async (bytes) => {
        await new Promise<void>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
          socket.on('error', () => undefined);
          socket.resume().on('close', () => resolve());
        });
      }),
      { numRuns: 300 },
    );
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  });
});

describe('a broker that is asked for its bridges', () => {
  it('may answer each packet with anything: what is kept is bounded, and closing ends it', async () => {
    const whole = Buffer.concat([
      SUBACK,
      stateOf('edge.cloud', '1', true),
      Buffer.from([0xd0, 0]),
      stateOf('edge.cloud', '0'),
    ]);
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      damages.map((some) => damaged(whole, some)),
      fc
        .array(
          fc.tuple(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 3 }), fc.boolean()),
        )
        .map((states) =>
          Buffer.concat([
            SUBACK,
            ...states.map(([name, payload, retain]) => stateOf(name.replaceAll('\0', ''), payload, retain)),
          ]),
        ),
    );
    async function isBounded([first, second]: readonly [Uint8Array, Uint8Array]): Promise<void> {
      const broker = await startFakeBroker({
        suback: first,
        afterwards: (socket) => void socket.write(second),
      });
      const watch = createBridgeListener({
        url: { tls: false, host: '127.0.0.1', port: broker.port },
        credentialsFile: undefined,
        caFile: '',
        bridgeName: undefined,
      });
      watch.open(() => undefined);
      await until('a visit', () => broker.visits() > 0);
      // as long as a broker has to tell what it retains
      await new Promise((resolve) => setTimeout(resolve, 400));
      const sight = watch.sight();
      const names = sight.ok ? sight.bridges.map(({ connection }) => connection) : [];
      expect(names.length).toBeLessThanOrEqual(64);
      expect(names.filter((name) => Buffer.byteLength(name) > 256)).toEqual([]);
      await watch.close();
      await until('the connection to be closed', () => broker.open() === 0);
      await broker.close();
    }

    const many = fc.array(fc.tuple(anything, anything), { minLength: 25, maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(many, async (answers) => {
        await Promise.all(answers.map(isBounded));
      }),
      { numRuns: 20 },
    );
  }, 120_000);
});

describe('an upstream', () => {
  it('may have any names in its certificate: none is called another one than itself', async () => {
    const value = fc.oneof(
      fc.string({ unit: fc.integer({ min: 0, max: 127 }).map((code) => String.fromCharCode(code)) }),
      fc.constantFrom(
        'edge.example.com',
        'edge.example.com.',
        '*.example.com',
        '127.0.0.1',
        ', DNS:x',
        '"',
        '::1',
      ),
    );
    const name = fc.record({ type: fc.constantFrom('dns', 'email', 'url'), value });
    const asked = fc.constantFrom('edge.example.com', '127.0.0.1', '::1', 'localhost');
    await fc.assert(
      fc.asyncProperty(fc.array(name, { maxLength: 8 }), value, asked, async (sans, cn, identity) => {
        const { certificate } = await authority.issue({
          privateKey: client.key,
          subject: commonName(cn),
          sans,
        });
        const raw = Buffer.from(certificate.rawData);
        const { subject } = new X509Certificate(raw).toLegacyObject();
        const problem = verifyServerIdentity(identity, { raw, subject });
        if (problem === undefined) return;
        expect(problem.names.split(', ')).not.toContain(identity);
        expect(problem.names).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        expect(problem.names.length).toBeLessThan(1_700);
      }),
      { numRuns: 300 },
    );
  });

  it('may answer an MQTT login with anything', async () => {
    let answer: Uint8Array = Buffer.from([]);
    const { port, close } = await startTlsServer(client, authority.certPem, {}, (socket) => {
      socket.once('data', () => socket.end(answer));
    });
    onTestFinished(close);
    const connack = Buffer.from([0x20, 2, 0, 0]);
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      damages.map((some) => damaged(connack, some)),
    );
    const set = { ca: authority.certPem, cert: client.chainPem, key: client.keyPem };
    await fc.assert(
      fc.asyncProperty(anything, async (bytes) => {
        answer = bytes;
        const verdict = await runProbe(set, {
          port,
          mode: 'mqtt',
          serverName: '127.0.0.1',
          timeoutMs: 5_000,
        });
        if (!verdict.ok) expect(PROBE_CAUSES).toContain(verdict.cause);
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});
