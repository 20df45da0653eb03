/** `make demo` as a fresh machine runs it: no engine, no terminal, and nothing is left behind. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test as base, describe, expect } from 'vitest';
import { STORY } from '../../demo/story.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { until } from '../../lab/until.ts';

const DEMO = fileURLToPath(new URL('../../demo/main.ts', import.meta.url));
const TIMEOUT_MS = 180_000;

interface Run {
  readonly child: ChildProcess;
  readonly directory: string;
  output(): string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
}

/** The demo as a process group of its own, in a temporary directory of its own. */
const test = base.extend<{ demo: Run }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads a fixture's needs from the pattern
  demo: async ({}, use) => {
    const directory = await mkdtemp(join(tmpdir(), 'demo-test-'));
    const env = { ...process.env, TMPDIR: directory, DOCKER: '' };
    const child = spawn(process.execPath, [DEMO], { detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    await use({ child, directory, output: () => output, ended });
    if (isAlive(child)) signalGroup(child, 'SIGKILL');
    await removeTree(directory);
  },
});

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals | 0): void {
  if (pid === undefined) throw new Error('the demo was not started');
  process.kill(-pid, signal);
}

/** Whether any process of the group is left. */
function isAlive(child: ChildProcess): boolean {
  try {
    signalGroup(child, 0);
    return true;
  } catch {
    // no such group: its last process has gone
    return false;
  }
}

async function leftovers({ child, directory }: Run) {
  return { processes: isAlive(child), files: await readdir(directory) };
}

describe('make demo', () => {
  test('tells the whole story, restarts as expected, and leaves nothing behind', {
    timeout: TIMEOUT_MS,
  }, async ({ demo }) => {
    const exitCode = await demo.ended;
    expect({ exitCode, output: demo.output() }).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining(`✓ all ${STORY.length} chapters went as they should`),
    });
    const restarts = STORY.filter((chapter) => chapter.restarts === 1).length;
    expect(demo.output()).toMatch(new RegExp(`in all +${restarts} +${restarts} `));
    expect(demo.output(), 'colours in a pipe').not.toContain('\u001b');
    expect(await leftovers(demo)).toEqual({ processes: false, files: [] });
  });

  test('leaves nothing behind when Ctrl-C ends it in the middle of a restart', {
    timeout: TIMEOUT_MS,
  }, async ({ demo }) => {
    await until('the first restart', () => demo.output().includes('mosquitto_restart_triggered'));
    signalGroup(demo.child, 'SIGINT');
    expect(await demo.ended).toBe(130);
    expect(demo.output()).toContain('✗ ended by SIGINT');
    expect(await leftovers(demo)).toEqual({ processes: false, files: [] });
  });
});
