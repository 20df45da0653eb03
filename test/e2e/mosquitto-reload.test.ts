/** What Mosquitto itself takes up by a SIGHUP, which the operating guide lists for each version. */

import { spawnSync } from 'node:child_process';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { MOSQUITTO } from '../../lab/broker-image.ts';
import { createAuthority, type Issued } from '../../lab/certificates.ts';
import { type RealServer, startMosquittoWith } from '../../lab/real-servers.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { quietly, until } from '../../lab/until.ts';
import { BROKER, type Need, skipped } from '../support/needs.ts';
import { runProbe } from '../support/run-probe.ts';
import { type Stage, test } from '../support/stage.ts';

/** Whether this is 2.1 or later: it ends where its files are gone. */
const ENDS = /version 2\.[1-9]/.test(
  spawnSync(MOSQUITTO ?? 'mosquitto', ['-h'], { encoding: 'utf8' }).stdout ?? '',
);

const authority = await createAuthority({ cn: 'Edge CA' });
const another = await createAuthority({ cn: 'Next CA' });
const server = await authority.issue({ cn: 'broker', sans: ['localhost'], key: 'rsa-2048' });
const known = await authority.issue({ cn: 'known' });
const revoked = await authority.issue({ cn: 'revoked' });
const stranger = await another.issue({ cn: 'stranger' });

interface Listener {
  readonly broker: RealServer;
  /** Writes a file that the broker has been started with. */
  write(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
  accepts(client: Issued): Promise<boolean>;
  hangUp(): Promise<void>;
  isRunning(): boolean;
}

/** A listener that demands client certificates, with the files that these lines name. */
async function listener(stage: Stage, files: Readonly<Record<string, string>>): Promise<Listener> {
  const path = (name: string) => join(stage.directory, name);
  const write = (name: string, text: string) => writeFile(path(name), text, { mode: 0o600 });
  const all = { certfile: server.chainPem, keyfile: server.keyPem, cafile: authority.certPem, ...files };
  for (const [name, text] of Object.entries(all)) await write(name, text);
  const lines = Object.keys(all).map((name) => `${name} ${path(name)}`);
  const broker = await startMosquittoWith(['allow_anonymous true', 'require_certificate true', ...lines]);
  stage.onEnd(broker.close);
  const accepts = async ({ chainPem, keyPem }: Issued) => {
    const set = { ca: authority.certPem, cert: chainPem, key: keyPem };
    return (await runProbe(set, { port: broker.port, mode: 'mqtt' })).ok;
  };
  // a SIGHUP ends a broker that listens already and has not yet said what is to be done with one
  await until('the broker to serve', () => accepts(known));
  return {
    broker,
    write,
    remove: (name) => rm(path(name)),
    accepts,
    hangUp: async () => {
      const reloads = async () => (await broker.log()).split('Reloading config').length;
      const before = await reloads();
      const look = async () => {
        // again and again: one that comes while it still deals with the one before is lost
        process.kill(broker.pid, 'SIGHUP');
        await quietly(100, 'it reads them at once');
        return (await reloads()) > before;
      };
      await until('the broker to read its files again', look, { everyMs: 1_000 });
    },
    isRunning: () => {
      try {
        process.kill(broker.pid, 0);
        return true;
      } catch {
        return false;
      }
    },
  };
}

describe.skipIf(!BROKER.ok)(`a SIGHUP to Mosquitto${skipped(BROKER)}`, () => {
  test('takes up the crlfile of a listener', async ({ stage }) => {
    const { write, accepts, hangUp } = await listener(stage, { crlfile: await authority.crl([]) });
    expect([await accepts(known), await accepts(revoked)]).toEqual([true, true]);
    await write('crlfile', await authority.crl([revoked]));
    expect(await accepts(revoked)).toBe(true);
    await hangUp();
    expect([await accepts(known), await accepts(revoked)]).toEqual([true, false]);
  });

  test('does not take up the cafile of a listener', async ({ stage }) => {
    const { write, accepts, hangUp } = await listener(stage, {});
    await write('cafile', authority.certPem + another.certPem);
    await hangUp();
    expect(await accepts(stranger)).toBe(false);
    await write('cafile', another.certPem);
    await hangUp();
    expect([await accepts(known), await accepts(stranger)]).toEqual([true, false]);
  });

  test('that finds a broken key goes on with the one before', async ({ stage }) => {
    const { write, accepts, hangUp } = await listener(stage, {});
    await write('keyfile', 'broken\n');
    await hangUp();
    expect(await accepts(known)).toBe(true);
  });

  // 2.0 fails open: until a good list comes it knows of no revocation
  test(`that finds a broken crlfile ${ENDS ? 'ends it' : 'lets revoked certificates in'}`, async ({
    stage,
  }) => {
    const at = await listener(stage, { crlfile: await authority.crl([revoked]) });
    expect([await at.accepts(known), await at.accepts(revoked)]).toEqual([true, false]);
    await at.write('crlfile', 'broken\n');
    await at.hangUp();
    expect(at.isRunning()).toBe(!ENDS);
    expect(await at.accepts(revoked)).toBe(!ENDS);
  });

  test.for(['password_file', 'acl_file'])(
    `that does not find its %s ${ENDS ? 'ends it' : 'is no harm'}`,
    async (name, { stage }) => {
      const { remove, hangUp, isRunning } = await listener(stage, {
        [name]: name === 'acl_file' ? 'topic readwrite #\n' : '',
      });
      await remove(name);
      await hangUp();
      expect(isRunning()).toBe(!ENDS);
    },
  );
});

const DROPS: Need =
  process.getuid?.() === 0 && spawnSync('id', ['mosquitto']).status === 0
    ? BROKER
    : { ok: false, reason: 'needs root and the user mosquitto' };

describe.skipIf(!DROPS.ok)(`a key that only root may read${skipped(DROPS)}`, () => {
  test('leaves a broker down that root has started: it drops its rights before', async ({ stage }) => {
    const [port, path] = [await closedPort(), (name: string) => join(stage.directory, name)];
    await writeFile(path('server.crt'), server.chainPem);
    const lines = [
      'user mosquitto',
      `listener ${port} 127.0.0.1`,
      `certfile ${path('server.crt')}`,
      `keyfile ${path('server.key')}`,
    ];
    await writeFile(path('mosquitto.conf'), `${lines.join('\n')}\n`);
    await writeFile(path('server.key'), server.keyPem, { mode: 0o600 });
    const ends = () =>
      spawnSync(MOSQUITTO ?? '', ['-c', path('mosquitto.conf')], { timeout: 2_000, killSignal: 'SIGKILL' })
        .status !== null;
    expect(ends()).toBe(true);
    await chmod(path('server.key'), 0o644);
    expect(ends()).toBe(false);
  });
});
