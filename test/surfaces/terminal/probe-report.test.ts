/** The probe's verdict as an operator reads it, and as a program does. */

import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { PROBE_CAUSES, type ProbeFailure, type ProbeSuccess } from '../../../src/core/model/probe.ts';
import { probeJson, probeJsonLine, renderProbe } from '../../../src/surfaces/terminal/probe-report.ts';

const server = {
  subject: 'CN=broker.example.com',
  issuer: 'CN=Upstream CA,O=Example',
  notAfterMs: Date.UTC(2027, 0, 2, 3, 4, 5, 678),
  daysRemaining: 40,
};
const accepted: ProbeSuccess = {
  ok: true,
  proof: 'settled',
  address: '192.0.2.7:8883',
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  server,
  durationMs: 2_061,
  phaseMs: { files: 3, dns: 12, tcp: 20, tls: 25, settle: 2_001 },
};
const rejected: ProbeFailure = {
  ok: false,
  cause: 'client_cert_rejected',
  phase: 'settle',
  hint: 'the upstream does not know the CA that issued /certs/client.crt (alert 48, unknown_ca)',
  error: 'tlsv1 alert unknown ca (SSL alert number 48)',
  address: '192.0.2.7:8883',
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  server,
  durationMs: 71,
  phaseMs: { files: 3, tcp: 20, tls: 25, settle: 23 },
};
const missing: ProbeFailure = {
  ok: false,
  cause: 'local_file',
  phase: 'files',
  hint: 'put /certs/client.key in place, or check CERT_DIR and the file names',
  error: '/certs/client.key does not exist',
  file: '/certs/client.key',
  durationMs: 1,
  phaseMs: { files: 1 },
};

describe('for programs', () => {
  test('a success has every key, with null for what does not apply', () => {
    expect(probeJson(accepted)).toEqual({
      ok: true,
      cause: null,
      hint: null,
      error: null,
      phase: 'settle',
      proof: 'settled',
      address: '192.0.2.7:8883',
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      server: {
        subject: 'CN=broker.example.com',
        issuer: 'CN=Upstream CA,O=Example',
        not_after: '2027-01-02T03:04:05Z',
        days_remaining: 40,
      },
      file: null,
      duration_ms: 2_061,
      phases_ms: { files: 3, dns: 12, tcp: 20, tls: 25, settle: 2_001 },
    });
  });

  test('a failure before any network has the same keys', () => {
    const json = probeJson(missing);
    expect(Object.keys(json)).toEqual(Object.keys(probeJson(accepted)));
    expect(json).toMatchObject({
      ok: false,
      cause: 'local_file',
      phase: 'files',
      file: '/certs/client.key',
      server: null,
    });
  });

  test('a failure has its cause, hint and error as they are', () => {
    const { cause, hint, error, phase } = rejected;
    expect(probeJson(rejected)).toMatchObject({ ok: false, cause, hint, error, phase, proof: null });
  });

  test('a login ends in the phase mqtt', () => {
    const login: ProbeSuccess = {
      ...accepted,
      proof: 'connack',
      phaseMs: { files: 1, tcp: 1, tls: 1, mqtt: 1 },
    };
    expect(probeJson(login)).toMatchObject({ phase: 'mqtt', proof: 'connack' });
  });

  test('fits on one line', () => {
    expect(JSON.stringify(probeJson(rejected))).not.toContain('\n');
  });
});

describe('for programs, as text', () => {
  test('a verdict is one line that shows what it holds', () => {
    const line = probeJsonLine({ ...rejected, error: 'a\u009b31m\u202eb\u2028c' });
    expect(line).toMatch(/^\{.*"error":"a\\u009b31m\\u202eb\\u2028c".*\}\n$/);
  });
});

describe('for people', () => {
  test('a success says what it was based on, with whom and how long it took', () => {
    expect(renderProbe(accepted, { color: false })).toBe(`\
accepted  the upstream raised no objection to the client certificate; only TLS_PROBE_MODE=mqtt proves that it asked for one
  address   192.0.2.7:8883
  tls       TLSv1.3, TLS_AES_256_GCM_SHA384
  server    CN=broker.example.com
  issuer    CN=Upstream CA,O=Example
  expires   2027-01-02T03:04:05Z, in 40 days
  time      2061 ms
`);
  });

  test('a failure begins with cause, error and hint', () => {
    expect(renderProbe(rejected, { color: false })).toBe(`\
failed  client_cert_rejected in phase settle
  error     tlsv1 alert unknown ca (SSL alert number 48)
  hint      the upstream does not know the CA that issued /certs/client.crt (alert 48, unknown_ca)
  address   192.0.2.7:8883
  tls       TLSv1.3, TLS_AES_256_GCM_SHA384
  server    CN=broker.example.com
  issuer    CN=Upstream CA,O=Example
  expires   2027-01-02T03:04:05Z, in 40 days
  time      71 ms
`);
  });

  test('lets no upstream drive the terminal', () => {
    const error = 'a\u001b[2J\u009b31m\u202egnp.exe\nOK: all is well';
    const text = renderProbe({ ...rejected, error, server: { ...server, subject: error } }, { color: false });
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text).not.toMatch(/^OK/m);
  });

  test('leaves out what was not seen', () => {
    expect(renderProbe(missing, { color: false })).toBe(`\
failed  local_file in phase files
  error     /certs/client.key does not exist
  hint      put /certs/client.key in place, or check CERT_DIR and the file names
  time      1 ms
`);
  });

  test.each([
    [-2, '2 days ago'],
    [-1, '1 day ago'],
    [0, 'in 0 days'],
    [1, 'in 1 day'],
  ])('with %i days remaining the server certificate expires %s', (daysRemaining, text) => {
    const verdict = { ...accepted, server: { ...server, daysRemaining } };
    expect(renderProbe(verdict, { color: false })).toContain(`2027-01-02T03:04:05Z, ${text}\n`);
  });

  test('colour changes nothing but the colour', () => {
    for (const verdict of [accepted, rejected, missing]) {
      const colored = renderProbe(verdict, { color: true });
      expect(colored).toContain('\u001b[');
      expect(stripVTControlCharacters(colored)).toBe(renderProbe(verdict, { color: false }));
    }
  });

  test.each(PROBE_CAUSES)('%s is named', (cause) => {
    expect(renderProbe({ ...rejected, cause }, { color: false })).toMatch(new RegExp(`^failed {2}${cause} `));
  });
});
