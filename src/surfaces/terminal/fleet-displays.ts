/** How a fleet that is watched is shown: as a table on a terminal, or as lines for a pipe or a program. */

import type { GatewayChange } from '../../core/status/fleet-changes.ts';
import { printable } from '../../core/text/printable.ts';
import { timestamp } from '../../core/text/timestamp.ts';
import { startTimer } from '../../system/timer.ts';
import { gatewayLine } from './fleet-json.ts';
import { type FleetView, fleetLines, type Layout } from './fleet-report.ts';

interface Display {
  show(view: () => FleetView): void;
  tell(changes: readonly GatewayChange[]): void;
  lost(trouble: { readonly problem: string; readonly hint: string }): void;
  close(): void;
}

/** A terminal, and how large it is now. */
export interface Terminal {
  write(text: string): void;
  layout(): Layout;
  rows(): number;
  /** Returns how to stop listening. */
  onResize(listener: () => void): () => void;
}

/** A change is drawn at once, and the next ones after this time. */
const BETWEEN_FRAMES_MS = 250;

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const TO_END_OF_LINE = '\u001b[K';
const TO_END_OF_SCREEN = '\u001b[J';

/** Draws over the whole terminal, and leaves the last picture behind when it is closed. */
export function tableDisplay({ write, layout, rows, onResize }: Terminal): Display {
  let view: (() => FleetView) | undefined;
  let lastChange: string | undefined;
  let resting: NodeJS.Timeout | undefined;
  let isDue = false;
  const linesNow = (of: () => FleetView, within?: number) =>
    fleetLines({ ...of(), lastChange }, { ...layout(), rows: within });

  function draw() {
    if (view === undefined) return;
    const lines = onScreen(linesNow(view, rows()), rows());
    write(`${HOME}${lines.map((line) => `${line}${TO_END_OF_LINE}`).join('\n')}${TO_END_OF_SCREEN}`);
  }

  function drawSoon() {
    isDue = true;
    if (resting !== undefined) return;
    isDue = false;
    resting = startTimer(() => {
      resting = undefined;
      if (isDue) drawSoon();
    }, BETWEEN_FRAMES_MS);
    draw();
  }

  write(ENTER);
  const stopListening = onResize(drawSoon);
  return {
    show(of) {
      view = of;
      drawSoon();
    },
    tell(changes) {
      const last = changes.at(-1);
      if (last !== undefined) lastChange = `last change: ${changeLine(last)}`;
    },
    lost() {
      // the view says it
    },
    close() {
      clearTimeout(resting);
      stopListening();
      write(LEAVE);
      if (view !== undefined) write(`${linesNow(view).join('\n')}\n`);
    },
  };
}

/** The first lines, and how many there are more. */
function onScreen(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  const shown = Math.max(1, rows - 1);
  return [...lines.slice(0, shown), `  and ${lines.length - shown} more lines: make the terminal taller`];
}

/** The whole once, then a line for each change. */
export function lineDisplay(write: (text: string) => void): Display {
  let isShown = false;
  return {
    show(view) {
      if (isShown) return;
      isShown = true;
      write(`${fleetLines(view(), { color: false, columns: undefined }).join('\n')}\n\n`);
    },
    tell(changes) {
      for (const change of changes) write(`${changeLine(change)}\n`);
    },
    lost: ({ problem }) => write(`${timestamp(Date.now())} ${printable(problem)}; trying again\n`),
    close() {
      // a line stands for itself
    },
  };
}

/** A JSON object for each gateway, then one for each change. */
export function jsonDisplay(write: (text: string) => void): Display {
  let isShown = false;
  return {
    show(of) {
      if (isShown) return;
      isShown = true;
      const { fleet, trouble } = of();
      for (const { members } of fleet.groups)
        for (const each of members) write(gatewayLine(each.topic, each));
      if (trouble !== undefined) write(`${JSON.stringify(trouble)}\n`);
    },
    tell(changes) {
      for (const { topic, now } of changes) write(gatewayLine(topic, now));
    },
    lost: (trouble) => write(`${JSON.stringify(trouble)}\n`),
    close() {
      // a line stands for itself
    },
  };
}

function changeLine({ topic, before, now }: GatewayChange): string {
  const name = printable(topic);
  const when = timestamp(Date.now());
  if (now === undefined) return `${when} ${name} is gone`;
  const was = before === undefined ? 'new' : before === now.level ? 'still' : `was ${before}`;
  return `${when} ${name} ${now.level} (${was}): ${now.sentence}`;
}
