/** The story: each chapter is what it says to people, what has to come of it, and what is done. */

import type { CertificateOptions } from '../lab/certificates.ts';
import { daysFromNow } from '../lab/certificates.ts';
import type { CertFile, CertFolder } from './cert-folder.ts';
import type { Plan } from './narrator.ts';

/** What a chapter has in hand. Every wait ends by itself, and at once when the demo ends. */
export interface Stage {
  readonly files: CertFolder;
  /** where the agent writes once there are two directories */
  readonly incoming: CertFolder;
  /** A certificate of the demo's authority, or of one that the upstream does not know. */
  issue(cn: string, options?: CertificateOptions & { readonly byStranger?: boolean }): Promise<Files>;
  /** Starts the watcher with these settings beside those of the demo. */
  startWatcher(settings: Readonly<Record<string, string>>): void;
  stopWatcher(): Promise<void>;
  /** Starts the upstream and returns its address. */
  openUpstream(): Promise<string>;
  closeUpstream(): Promise<void>;
  /** The link to the upstream is cut: the bridge reads its files and connects again. It has to be let in. */
  cutLink(): Promise<void>;
  /** From now on the broker's configuration may name certificates. */
  expectCertificates(): Promise<void>;
  /** Waits for this event in the watcher's log of this chapter. If it never comes, the verdict will say so. */
  awaitEvent(event: string): Promise<void>;
  /** Waits for a restart in this chapter, and for what the watcher says of it. */
  awaitRestart(): Promise<void>;
  /** Lets time pass in which nothing should happen. */
  watchQuietly(ms: number): Promise<void>;
}

export type Files = Readonly<Record<CertFile, string>>;

export interface Chapter extends Plan {
  readonly restarts: 0 | 1;
  /** messages of the watcher that have to come exactly so often */
  readonly messages?: Readonly<Record<string, number>>;
  /** the watcher has nothing to say at all */
  readonly silent?: true;
  /** name in the certificate that the broker runs with in the end; undefined: without one */
  readonly broker: string | undefined;
  /** how long the files have to be left alone before a restart, as the watcher was told */
  readonly windowMs: number;
  readonly play: (stage: Stage) => Promise<void>;
}

/** The same for the whole demo: short windows, so that nobody has to wait for minutes. */
export const SETTINGS = {
  CHECK_INTERVAL: '500ms',
  RESTART_COOLDOWN: '1500ms',
  RESTART_VERIFY_TIMEOUT: '2s',
} as const;

const WINDOW_MS = 1_000;

/** Long enough for a probe, which listens to the upstream for two seconds. */
const PROBE_WINDOW_MS = 2_500;

/** More than twice the window: had a restart been on its way, it would have come. */
const QUIET_MS = 2_500;

/** How long something that is held is looked at before it is released. */
const HELD_MS = 1_000;

const A = 'edge-gateway-A';
const B = 'edge-gateway-B';
const C = 'edge-gateway-C';
const D = 'edge-gateway-D';
const E = 'edge-gateway-E';
const F = 'edge-gateway-F';
const G = 'edge-gateway-G';
const H = 'edge-gateway-H';
const I = 'edge-gateway-I';
const J = 'edge-gateway-J';
const K = 'edge-gateway-K';

/** The chapters in their order; each one begins where the one before has ended. */
export const STORY: readonly Chapter[] = [
  {
    title: 'No certificates yet',
    doing: 'The broker runs, and the watcher is started beside it. Its directory is empty.',
    expected:
      'It says once what is missing, and waits. There is nothing to load, so there is no restart. We look on for 2.5 s.',
    restarts: 0,
    messages: { cert_missing: 1 },
    broker: undefined,
    windowMs: WINDOW_MS,
    play: async (stage) => {
      stage.startWatcher({ STABILITY_WINDOW: '1s', ENABLE_TLS_PROBE: 'false' });
      await stage.awaitEvent('cert_missing');
      await stage.watchQuietly(QUIET_MS);
    },
  },
  {
    title: 'The certificates appear',
    doing: `The CA certificate, a client certificate (${A}) and its key are written into the directory.`,
    expected:
      'One restart, as soon as the files have been left alone for 1 s (STABILITY_WINDOW): whoever writes them might not have finished.',
    restarts: 1,
    broker: A,
    windowMs: WINDOW_MS,
    play: async (stage) => {
      await stage.expectCertificates();
      await stage.files.write(await stage.issue(A), 'ca.crt, client.crt and client.key written');
      await stage.awaitRestart();
    },
  },
  {
    title: 'Rotation',
    doing: `The client certificate and its key are replaced by new ones (${B}).`,
    expected: 'One restart again, and then proof that the broker came back and stayed.',
    restarts: 1,
    broker: B,
    windowMs: WINDOW_MS,
    play: async (stage) => {
      await stage.files.write(await stage.issue(B), 'client.crt and client.key replaced');
      await stage.awaitRestart();
    },
  },
  {
    title: 'The same files, written again',
    doing: 'All three files are written again with what they hold: new times, the same certificates.',
    expected:
      'Nothing, not even a message. What counts is what the files hold, not when they were written. We look on for 2.5 s.',
    restarts: 0,
    silent: true,
    broker: B,
    windowMs: WINDOW_MS,
    play: async (stage) => {
      await stage.files.rewrite('ca.crt, client.crt and client.key written again');
      await stage.watchQuietly(QUIET_MS);
    },
  },
  {
    title: 'Half a file',
    doing: `A new key and one half of a new client.crt (${C}) are written. The other half comes later, as over a slow line.`,
    expected:
      'Held: half a certificate cannot be parsed, which is said once. When the rest has come: one restart.',
    restarts: 1,
    messages: { cert_parse_failed: 1 },
    broker: C,
    windowMs: WINDOW_MS,
    play: async (stage) => {
      const files = await stage.issue(C);
      const half = Math.floor(files['client.crt'].length / 2);
      await stage.files.write(
        { 'client.key': files['client.key'], 'client.crt': files['client.crt'].slice(0, half) },
        'client.key and the first half of client.crt written',
      );
      await stage.awaitEvent('cert_parse_failed');
      await stage.watchQuietly(HELD_MS);
      await stage.files.append(
        'client.crt',
        files['client.crt'].slice(half),
        'the other half of client.crt written',
      );
      await stage.awaitRestart();
    },
  },
  {
    title: 'An expired certificate',
    doing: `The files are replaced by a certificate (${D}) that expired yesterday.`,
    expected: `An error and no restart: the broker goes on with ${C}, which works. We look on for 2.5 s.`,
    restarts: 0,
    messages: { cert_expired: 1 },
    broker: C,
    windowMs: WINDOW_MS,
    play: async (stage) => {
      const expired = { notBefore: daysFromNow(-30), notAfter: daysFromNow(-1) };
      await stage.files.write(await stage.issue(D, expired), 'client.crt and client.key replaced');
      await stage.awaitEvent('cert_expired');
      await stage.watchQuietly(QUIET_MS);
    },
  },
  {
    title: 'An upstream joins',
    doing: `The watcher is ended, and a good certificate (${E}) is written while nobody looks. An upstream broker appears that demands client certificates, and the watcher is started again, with its address.`,
    expected:
      'The rotation is not lost: the broker was started before these files were written. While the stability window (2.5 s from now on) runs, they are tried on the upstream. Then one restart.',
    restarts: 1,
    messages: { tls_probe_success: 1 },
    broker: E,
    windowMs: PROBE_WINDOW_MS,
    play: async (stage) => {
      await stage.stopWatcher();
      await stage.files.write(await stage.issue(E), 'client.crt and client.key replaced');
      const address = await stage.openUpstream();
      stage.startWatcher({ STABILITY_WINDOW: '2500ms', UPSTREAM_ADDR: address });
      await stage.awaitRestart();
    },
  },
  {
    title: 'A new certificate with the old key',
    doing: `client.crt is replaced (${F}), but client.key stays behind. It follows later.`,
    expected:
      'Held: key and certificate do not belong together, and the broker could not use them. When the key has come: one restart.',
    restarts: 1,
    messages: { cert_key_mismatch: 1 },
    broker: F,
    windowMs: PROBE_WINDOW_MS,
    play: async (stage) => {
      const files = await stage.issue(F);
      await stage.files.write({ 'client.crt': files['client.crt'] }, 'client.crt replaced');
      await stage.awaitEvent('cert_key_mismatch');
      await stage.watchQuietly(HELD_MS);
      await stage.files.write({ 'client.key': files['client.key'] }, 'client.key replaced');
      await stage.awaitRestart();
    },
  },
  {
    title: 'A certificate that the upstream refuses',
    doing: `The new certificate (${G}) is flawless, but of an authority that the upstream does not trust. Later comes one that it does (${H}).`,
    expected: `Held, with the upstream's own reason: the broker keeps ${F}, which works, instead of losing its bridge. For ${H}: one restart.`,
    restarts: 1,
    messages: { tls_probe_failure: 1, restart_held: 1 },
    broker: H,
    windowMs: PROBE_WINDOW_MS,
    play: async (stage) => {
      const { 'ca.crt': _, ...refused } = await stage.issue(G, { byStranger: true });
      await stage.files.write(refused, 'client.crt and client.key replaced');
      await stage.awaitEvent('restart_held');
      await stage.watchQuietly(HELD_MS);
      await stage.files.write(await stage.issue(H), 'client.crt and client.key replaced');
      await stage.awaitRestart();
    },
  },
  {
    title: 'The upstream goes away',
    doing: `The upstream is shut down, and the certificate is replaced once more (${I}).`,
    expected:
      'The probe fails, but that proves nothing against the certificate, and a site that is offline has to rotate too. One restart.',
    restarts: 1,
    messages: { tls_probe_failure: 1 },
    broker: I,
    windowMs: PROBE_WINDOW_MS,
    play: async (stage) => {
      await stage.closeUpstream();
      await stage.files.write(await stage.issue(I), 'client.crt and client.key replaced');
      await stage.awaitRestart();
    },
  },
  {
    title: 'Two directories',
    doing: `The upstream is back, and the watcher is started with INCOMING_DIR: the agent writes to a directory of its own. A certificate that the upstream refuses (${J}) comes there, and the link is cut: the bridge reads its files and connects again. Later comes a good one (${K}).`,
    expected: `The refused one stays where it is, so the bridge comes back with ${I}: what the broker reads was accepted. ${K} becomes live by one rename, right before one restart.`,
    restarts: 1,
    messages: { restart_held: 1, set_promoted: 1 },
    broker: K,
    windowMs: PROBE_WINDOW_MS,
    play: async (stage) => {
      await stage.stopWatcher();
      const address = await stage.openUpstream();
      await stage.incoming.write(
        await stage.issue(J, { byStranger: true }),
        'all three written to the incoming directory',
      );
      stage.startWatcher({
        STABILITY_WINDOW: '2500ms',
        UPSTREAM_ADDR: address,
        INCOMING_DIR: stage.incoming.directory,
      });
      await stage.awaitEvent('restart_held');
      await stage.cutLink();
      await stage.incoming.write(await stage.issue(K), 'all three replaced in the incoming directory');
      await stage.awaitRestart();
    },
  },
];
