/**
 * Everything that comes from outside may be anything: it yields a value, or a problem in words. It never throws, never
 * hangs, and never takes memory without bound.
 */

import { connect } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createEngine } from '../../src/adapters/engine.ts';
import { parseStates } from '../../src/adapters/state-file.ts';
import { loadSettings, parseConfig } from '../../src/config/load.ts';
import { TABLE } from '../../src/config/table.ts';
import { ENGINE_CAUSES } from '../../src/core/broker.ts';
import { PROBE_CAUSES } from '../../src/core/probe.ts';
import { type Route, startHttpServer, text } from '../../src/surfaces/http.ts';
import { parseCertificates } from '../../src/system/x509.ts';
import { createAuthority } from '../support/certificates.ts';
import { runProbe } from '../support/run-probe.ts';
import { httpText, inspection, startScriptedEngine } from '../support/scripted-engine.ts';
import { closedPort, startTlsServer } from '../support/tls-servers.ts';

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

/** A value, or a problem in one line. */
function expectAnswer(result: ReturnType<typeof parseCertificates>): void {
  if (result.ok) expect(result.certificates.length).toBeGreaterThan(0);
  else expect(result.problem).toMatch(/^\S[^\n]*$/);
}

describe('a certificate file', () => {
  it('may be any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) =>
        expectAnswer(parseCertificates(Buffer.from(bytes))),
      ),
    );
  });

  it('may be a good one with damage', () => {
    fc.assert(
      fc.property(damages, (some) => expectAnswer(parseCertificates(damaged(PEM, some)))),
      { numRuns: 1_000 },
    );
  });

  it('may hold good PEM around damaged DER', () => {
    fc.assert(
      fc.property(damages, (some) => {
        const base64 = damaged(DER, some).toString('base64').replace(/.{64}/g, '$&\n');
        const pem = `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
        expectAnswer(parseCertificates(Buffer.from(pem)));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['a megabyte of dashes', '-'.repeat(MEGABYTE)],
    ['a megabyte of BEGIN lines', '-----BEGIN CERTIFICATE-----\n'.repeat(MEGABYTE / 28)],
    ['a megabyte of empty lines', '\n'.repeat(MEGABYTE)],
    [
      'a block of a megabyte of base64',
      `-----BEGIN CERTIFICATE-----\n${'A'.repeat(MEGABYTE - 60)}\n-----END CERTIFICATE-----\n`,
    ],
  ])('may be %s, and is judged in a moment', (_what, content) => {
    const began = performance.now();
    expectAnswer(parseCertificates(Buffer.from(content)));
    expect(performance.now() - began).toBeLessThan(1_000);
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
  it('may hold any text or JSON', () => {
    const state = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((applied) => `{"version":1,"brokers":{"a":{"applied":${applied}}}}`),
    );
    fc.assert(
      fc.property(state, (content) => {
        for (const { lastRestartAtMs } of parseStates(content)?.values() ?? []) {
          if (lastRestartAtMs !== undefined) expect(Number.isNaN(lastRestartAtMs)).toBe(false);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('an engine', () => {
  const described = Buffer.from(
    httpText(200, JSON.stringify(inspection()), { 'Content-Type': 'application/json' }),
  );

  it('may answer anything', async () => {
    let answer: Uint8Array = described;
    const { endpoint } = await startScriptedEngine({ inspect: (socket) => socket.end(answer) });
    const engine = createEngine(endpoint, 'broker');
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 500 }),
      damages.map((some) => damaged(described, some)),
      fc.json().map((body) => Buffer.from(httpText(200, body))),
    );
    await fc.assert(
      fc.asyncProperty(anything, async (bytes) => {
        answer = bytes;
        const result = await engine.inspect({ timeoutMs: 2_000 });
        if (!result.ok) expect(ENGINE_CAUSES).toContain(result.cause);
      }),
      { numRuns: 300 },
    );
  }, 60_000);
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
  }, 60_000);
});

describe('an upstream', () => {
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
