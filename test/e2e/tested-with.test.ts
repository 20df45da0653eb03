/** What docs/tested-with.md says of this world is what the tests around this one have run with. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { MOSQUITTO } from '../../lab/broker-image.ts';
import { createEngineApi } from '../../lab/engine-api.ts';
import { executable } from '../../lab/real-servers.ts';
import { engineSocketPath, type Need, skipped } from '../support/needs.ts';
import { REPOSITORY } from '../support/shipping.ts';

/** Everywhere else the programs are those that somebody happens to have. */
const PROMISED: Need =
  process.env['FORBID_SKIPS'] === '1' || process.env['SECOND_WORLD'] === '1'
    ? { ok: true }
    : { ok: false, reason: 'versions are promised for .ci/run and the second world only' };

const ENGINE_VERSION = v.object({ Version: v.string(), ApiVersion: v.string() });

async function engineVersion() {
  const text = await createEngineApi(engineSocketPath()).ask('GET', '/version');
  return v.parse(ENGINE_VERSION, JSON.parse(text));
}

/** How each program of the table is asked for its version. */
const ASK: Readonly<Record<string, () => string | Promise<string>>> = {
  Mosquitto: () => said(MOSQUITTO ?? 'mosquitto', '-h'),
  'Docker Engine': async () => (await engineVersion()).Version,
  'its API': async () => (await engineVersion()).ApiVersion,
  Podman: () => said('podman', '--version'),
  Compose: () =>
    said('docker', 'compose', 'version', '--short') || said('docker-compose', 'version', '--short'),
  HAProxy: () => said('haproxy', '-v'),
  nginx: () => said('nginx', '-v'),
  RabbitMQ: () => said('rabbitmqctl', 'version'),
  OpenSSL: () => said('openssl', 'version'),
};

/** The first line of a program's output that has a version in it; empty if it fails without one. */
function said(program: string, ...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(executable(program) ?? program, args, { encoding: 'utf8' });
  const lines = `${stdout ?? ''}\n${stderr ?? ''}`.split('\n');
  return lines.find((line) => /\d+\.\d+/.test(line) && !/unknown/i.test(line)) ?? '';
}

/** The first two numbers: what comes after them is bug fixes. */
function series(text: string): string {
  return /\d+\.\d+/.exec(text)?.[0] ?? `no version in "${text}"`;
}

/** The suite of Debian that this is, by the name that apt has for it. */
function suite(): string {
  const release = readFileSync('/etc/os-release', 'utf8');
  if (/^PRETTY_NAME=.*\/sid"?$/m.test(release)) return 'sid';
  return /^VERSION_CODENAME=(.*)$/m.exec(release)?.[1] ?? 'none';
}

/** The table's column for one suite. */
function column(name: string): Readonly<Record<string, string>> {
  const text = readFileSync(join(REPOSITORY, 'docs/tested-with.md'), 'utf8');
  const rows = [...text.matchAll(/^\|(.*)\|$/gm)].map(([, row = '']) =>
    row.split('|').map((cell) => cell.trim()),
  );
  const [heads = [], , ...body] = rows;
  const at = heads.findIndex((head) => head.startsWith(`${name} `));
  if (at === -1) throw new Error(`docs/tested-with.md has no column for ${name}`);
  return Object.fromEntries(body.map((row) => [row[0] ?? '', row[at] ?? '']));
}

describe.skipIf(!PROMISED.ok)(`the table of versions${skipped(PROMISED)}`, () => {
  test.each(Object.keys(ASK))('is right about %s', async (name) => {
    const asked = await ASK[name]?.();
    expect(series(asked ?? '')).toBe(series(column(suite())[name] ?? ''));
  });

  test('has a row for nothing else', () => {
    expect(Object.keys(column(suite()))).toEqual(Object.keys(ASK));
  });
});
