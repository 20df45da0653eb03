/**
 * The watcher at work, in under a minute: the real daemon, real files and a real broker that really restarts.
 *
 *     make demo                                    # needs nothing but Node.js
 *     make demo DOCKER=1                           # the same on a container engine, with Mosquitto
 *     DOCKER_HOST=unix:///run/docker.sock make demo DOCKER=1
 *
 * Exit code 0 if everything went as the story says, 1 if not, 2 if it was called wrongly.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrokerHost, HostOptions } from './broker-host.ts';
import { createDockerEngine } from './docker-engine.ts';
import { createEngineStandIn } from './engine-stand-in.ts';
import { createNarrator, type Narrator, type SummaryRow, seconds } from './narrator.ts';
import { createTheatre } from './stage.ts';
import { STORY } from './story.ts';

/** The shell's numbers for a program that was ended by a signal. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const READING_MS = 1_000;

const stop = new AbortController();
const narrator = createNarrator({
  write: (text) => process.stdout.write(text),
  isColourful: process.stdout.isTTY === true && !process.env['NO_COLOR'],
  width: process.stdout.columns ?? 100,
});

for (const [name, code] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    stop.abort(new Error(`ended by ${name}`));
    process.exitCode = code;
  });
}
// nobody looks on any more: nothing of it may be left running
process.stdout.on('error', fail);
process.on('uncaughtException', fail);

const code = await main().catch((error: unknown) => {
  narrator.complain(messageOf(error));
  return 1;
});
if (code === 0 && stop.signal.aborted) narrator.complain(messageOf(stop.signal.reason));
process.exitCode ??= code;

/** The demo cannot go on: every wait in it ends with this error, and then everything is cleared away. */
function fail(error: Error): void {
  process.exitCode ??= 1;
  stop.abort(error);
}

async function main(): Promise<number> {
  const createHost = hostFor(process.env['DOCKER'] ?? '', process.env['DOCKER_HOST'] ?? '');
  if (createHost === undefined) {
    narrator.complain(
      `DOCKER=${process.env['DOCKER']} is neither 1 (a container engine) nor 0 or empty (none)`,
    );
    return 2;
  }
  const directory = await mkdtemp(join(tmpdir(), 'cert-watcher-demo-'));
  try {
    return await perform(directory, createHost, narrator);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function hostFor(docker: string, dockerHost: string): ((options: HostOptions) => BrokerHost) | undefined {
  if (['', '0', 'no', 'false'].includes(docker)) return createEngineStandIn;
  if (['1', 'yes', 'true'].includes(docker)) return (options) => createDockerEngine(options, dockerHost);
  return undefined;
}

/** The whole evening; whatever happens, everything that was started is ended. */
async function perform(
  directory: string,
  createHost: (options: HostOptions) => BrokerHost,
  { introduce, announce, summarize, conclude, complain }: Narrator,
): Promise<number> {
  const beganMs = performance.now();
  const theatre = await createTheatre({
    directory,
    createHost,
    narrator,
    readingMs: process.stdout.isTTY === true ? READING_MS : 0,
    signal: stop.signal,
    fail,
  });
  try {
    introduce('mosquitto-cert-watcher at work', [
      `The watcher is the real one, the files in ${directory} are real, and so is the broker: ${theatre.host.description}.`,
      'Restarts are counted where they are done, never by what the watcher says.',
    ]);
    await theatre.open();
    const rows: SummaryRow[] = [];
    for (const [index, chapter] of STORY.entries()) {
      announce(index + 1, STORY.length, chapter);
      rows.push(await theatre.play(chapter));
    }
    const totalMs = performance.now() - beganMs;
    summarize(rows, totalMs);
    const failed = rows.filter(({ ok }) => !ok).length;
    const good = `all ${rows.length} chapters went as they should, in ${seconds(totalMs)}`;
    conclude(
      failed === 0,
      failed === 0 ? good : `${failed} of ${rows.length} chapters did not go as they should`,
    );
    return failed === 0 ? 0 : 1;
  } catch (error) {
    // said before the clearing away, which may take a moment
    complain(messageOf(error));
    return 1;
  } finally {
    await theatre.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
