/** Where the story is played: holds the broker, the watcher and the upstream, and judges each chapter. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createAuthority, daysFromNow } from '../lab/certificates.ts';
import { reconnect } from './bridge.ts';
import type { BrokerHost, HostOptions } from './broker-host.ts';
import { createCertFolder } from './cert-folder.ts';
import { type Daemon, type LogLine, startDaemon } from './daemon.ts';
import { greetBroker } from './mqtt-greeting.ts';
import { type Narrator, type Speaker, type SummaryRow, seconds } from './narrator.ts';
import { type Chapter, SETTINGS, type Stage } from './story.ts';
import { startUpstream, type Upstream } from './upstream.ts';
import { createWaiting } from './waiting.ts';

export interface StageOptions {
  /** an empty directory, which the caller removes in the end */
  readonly directory: string;
  readonly createHost: (options: HostOptions) => BrokerHost;
  readonly narrator: Narrator;
  /** time to read what a chapter is about */
  readonly readingMs: number;
  /** ends the demo, at once */
  readonly signal: AbortSignal;
  /** the demo cannot go on */
  readonly fail: (error: Error) => void;
}

export interface Theatre {
  readonly host: BrokerHost;
  /** Starts the broker and waits until it answers. */
  open(): Promise<void>;
  /** Plays one chapter and judges it. */
  play(chapter: Chapter): Promise<SummaryRow>;
  /** Ends every process and every server. */
  close(): Promise<void>;
}

/** What the watcher says when it is done with a restart, one way or the other. */
const RESTART_ENDS = ['restart_completed', 'broker_unhealthy', 'restart_failed'];

/** Nothing in this demo takes this long: what has not come by then will not come. */
const PATIENCE_MS = 15_000;

/** A broker that runs answers within this time, even where it has only just been started. */
const GREETING_MS = 5_000;

/** File systems stamp files by a clock of coarse ticks. */
const TICK_MS = 50;

/** Sets the stage; nothing runs yet. */
export async function createTheatre(options: StageOptions): Promise<Theatre> {
  const { directory, createHost, narrator, readingMs, signal, fail } = options;
  const waiting = createWaiting(signal);
  const [certDir, workDir] = [join(directory, 'certs'), join(directory, 'broker')];
  const incomingDir = join(directory, 'incoming');
  await mkdir(certDir);
  await mkdir(incomingDir);
  await mkdir(workDir);
  const [authority, stranger] = [
    await createAuthority({ cn: 'Demo CA' }),
    await createAuthority({ cn: 'Strange CA' }),
  ];
  const files = createCertFolder(certDir, (text) => narrator.tell('files', text));
  const incoming = createCertFolder(incomingDir, (text) => narrator.tell('files', text));
  const host = createHost({
    certDir,
    workDir,
    say: (text) => tell('broker', text),
    onRestart: waiting.notify,
    fail,
  });
  let daemon: Daemon | undefined;
  let upstream: Upstream | undefined;
  /** the watcher's log and the number of restarts before it, of the chapter that is being played */
  let log: LogLine[] = [];
  let restartsBefore = 0;
  /** why the bridge was not let in, in this chapter */
  let refusal: string | undefined;
  let isClosing = false;

  /** What happens while everything is cleared away is no part of the story. */
  function tell(speaker: Speaker, text: string) {
    if (!isClosing) narrator.tell(speaker, text);
  }

  const lastWriteMs = () => Math.max(files.lastWriteMs(), incoming.lastWriteMs());
  const newRestarts = () => host.restarts().slice(restartsBefore);
  const countOf = (event: string) => log.filter((line) => line.event === event).length;

  const stage: Stage = {
    files,
    incoming,
    issue: async (cn, { byStranger = false, ...certificate } = {}) => {
      const issued = await (byStranger ? stranger : authority).issue({
        cn,
        notAfter: daysFromNow(90.5),
        ...certificate,
      });
      return { 'ca.crt': authority.certPem, 'client.crt': issued.chainPem, 'client.key': issued.keyPem };
    },
    startWatcher: (settings) => {
      daemon = startDaemon({
        settings: {
          ...SETTINGS,
          ...settings,
          CERT_DIR: certDir,
          DOCKER_HOST: host.engine,
          MOSQUITTO_CONTAINER: host.container,
        },
        onLine: (line) => {
          log.push(line);
          if (!isClosing) narrator.quote(line, certDir);
          waiting.notify();
        },
        fail,
      });
    },
    stopWatcher: async () => {
      await daemon?.stop();
    },
    openUpstream: async () => {
      upstream = await startUpstream(authority, (text) => tell('upstream', text));
      narrator.tell('upstream', `listens on ${upstream.address}`);
      return upstream.address;
    },
    closeUpstream: async () => {
      await upstream?.close();
      narrator.tell('upstream', 'is gone');
    },
    cutLink: async () => {
      const { commonName, refusal: why } = await reconnect(certDir, upstream?.address ?? '');
      refusal = why;
      narrator.tell(
        'demo',
        `(the link is cut; the bridge connects again with ${commonName}: ${why ?? 'it is up'})`,
      );
    },
    expectCertificates: () => host.expectCertificates(),
    awaitEvent: async (event) => {
      // after a restart that should not have been, waiting is of no use
      await waiting.until(() => countOf(event) > 0 || newRestarts().length > 0, PATIENCE_MS);
    },
    awaitRestart: async () => {
      const isOver = () => newRestarts().length > 0 && RESTART_ENDS.some((event) => countOf(event) > 0);
      await waiting.until(isOver, PATIENCE_MS);
    },
    watchQuietly: async (ms) => {
      narrator.tell('demo', `(nothing should happen now, for ${seconds(ms)})`);
      await waiting.until(() => false, ms);
    },
  };

  /** The name in the certificate that the broker shows, or the error with which it did not answer. */
  async function greet(): Promise<{ readonly shows: string | undefined } | { readonly error: string }> {
    try {
      return { shows: (await greetBroker(host.address, GREETING_MS, signal)).commonName };
    } catch (error) {
      if (signal.aborted) throw error;
      return { error: messageOf(error) };
    }
  }

  async function judge(chapter: Chapter): Promise<{ readonly faults: string[]; readonly broker: string }> {
    const restarts = newRestarts();
    const faults = refusal === undefined ? [] : [`the bridge was not let in: ${refusal}`];
    if (restarts.length !== chapter.restarts) {
      faults.push(`${count(restarts.length, 'restart')}, expected ${chapter.restarts}`);
    }
    for (const { atMs } of restarts) {
      const afterMs = atMs - lastWriteMs();
      if (afterMs < chapter.windowMs - TICK_MS) {
        const when = afterMs < 0 ? 'before the last write' : `${seconds(afterMs)} after the last write`;
        faults.push(`a restart ${when}, expected ${seconds(chapter.windowMs)} after it or later`);
      }
    }
    for (const [event, expected] of Object.entries(chapter.messages ?? {})) {
      const seen = countOf(event);
      if (seen !== expected)
        faults.push(`the message ${event} came ${count(seen, 'time')}, expected ${expected}`);
    }
    if (chapter.silent === true && log.length > 0) {
      faults.push(`${count(log.length, 'message')} of the watcher, expected silence`);
    }
    const answer = await greet();
    if ('error' in answer) return { faults: [...faults, `the broker: ${answer.error}`], broker: 'no answer' };
    const broker = answer.shows ?? 'no certificate';
    if (answer.shows !== chapter.broker) {
      faults.push(`the broker runs with ${broker}, expected ${chapter.broker ?? 'no certificate'}`);
    }
    return { faults, broker };
  }

  /** What went as it should, in words. */
  function praise(chapter: Chapter, broker: string): string {
    const last = newRestarts().at(-1);
    const when = last === undefined ? '' : ` (${seconds(last.atMs - lastWriteMs())} after the last write)`;
    const restarts = last === undefined ? 'no restart' : count(chapter.restarts, 'restart');
    return `${restarts}, as expected${when}; the broker runs with ${broker}`;
  }

  async function play(chapter: Chapter): Promise<SummaryRow> {
    log = [];
    refusal = undefined;
    restartsBefore = host.restarts().length;
    await waiting.until(() => false, readingMs);
    narrator.startClock();
    const beganMs = performance.now();
    await chapter.play(stage);
    const { faults, broker } = await judge(chapter);
    const ok = faults.length === 0;
    narrator.conclude(ok, ok ? praise(chapter, broker) : faults.join('; '));
    return {
      title: chapter.title,
      ok,
      expected: chapter.restarts,
      seen: newRestarts().length,
      broker,
      tookMs: performance.now() - beganMs,
    };
  }

  return {
    host,
    open: async () => {
      await host.start(signal);
      await greetBroker(host.address, GREETING_MS, signal);
    },
    play,
    close: async () => {
      isClosing = true;
      await daemon?.stop();
      await upstream?.close();
      await host.close();
    },
  };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
