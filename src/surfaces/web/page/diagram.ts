/**
 * The state diagram as a picture: the path of the last cycle highlighted, and what it waits for at the box where it
 * ended.
 */

import { BEGIN, END, ROOMS, type State } from '../../../core/decision/diagram.ts';
import { html, type Markup } from './html.ts';

export interface DiagramOptions {
  readonly path: readonly State[];
  /** why the last cycle ended where it did, in a word or two */
  readonly note: string | undefined;
  /** wall clock milliseconds to count down to, and the time left for browsers that run no script */
  readonly count: { readonly untilMs: number; readonly left: string } | undefined;
  /** the work of the last box on the path is in progress */
  readonly isBusy: boolean;
}

/** The way down when everything succeeds. */
const SPINE: readonly State[] = [
  BEGIN,
  ...ROOMS.flatMap(({ box, passed }) => (passed === undefined ? [box] : [box, passed])),
  ...END,
];

/** Where a walk ends early, each next to the first box that leads there. */
const EXITS: ReadonlyMap<State, State> = new Map(
  ROOMS.toReversed().flatMap(({ box, ends }) =>
    ends.flatMap(([, exit, ...more]) =>
      exit === undefined || more.length > 0 ? [] : [[exit, box] as const],
    ),
  ),
);

const ROW = 38;
const BOX = 25;
const TOP = 4;
const HEIGHT = TOP * 2 + ROW * (SPINE.length - 1) + BOX;
const LEFT_RAIL = 5;
const EXIT = { x: 13, width: 122 };
const SPINE_BOX = { x: 157, width: 148 };
const RIGHT_RAIL = 315;
/** between exits and spine, where the edge from VALIDATE CERT to CERT INVALID runs */
const ELBOW = 146;

/** The diagram as an inline SVG, with a text for screen readers. */
export function diagram(options: DiagramOptions): Markup {
  const { path, note, count, isBusy } = options;
  const lit = new Set<State>(path);
  const edges = edgesOf(path);
  const end = endOf(path);
  const words = path.map(label).join(', ');
  // highlighted lines are drawn last, so that they are on top where lines overlap
  const lines = [...EDGES.keys()].toSorted((a, b) => Number(edges.has(a)) - Number(edges.has(b)));
  return html`<svg class="diagram" viewBox="0 0 320 ${HEIGHT}" role="img" aria-labelledby="diagram-title diagram-path">
<title id="diagram-title">State diagram</title>
<desc id="diagram-path">${path.includes('CHECK_CERTS') ? `Path of the last cycle: ${words}.` : 'No cycle has ended yet.'}${note === undefined ? '' : ` It ended so: ${note}.`}</desc>
<defs>
<marker id="tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" orient="auto-start-reverse"><path class="tip" d="M0 0 6 3 0 6z"/></marker>
<marker id="tip-lit" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="5" markerHeight="5" orient="auto-start-reverse"><path class="tip lit" d="M0 0 6 3 0 6z"/></marker>
</defs>
${lines.map((name) => edge(name, edges.has(name)))}
${[...SPINE, ...EXITS.keys()].map((state) => box(state, lit.has(state), state === end, isBusy && state === end))}
${end !== undefined && annotation(end, note, count)}
</svg>`;
}

/** `CHECK_CERTS` as people read it. */
function label(state: State): string {
  return state.replaceAll('_', ' ');
}

/** The box that decided: the last one before the common end of all walks. */
function endOf(path: readonly State[]): State | undefined {
  return path.findLast((state) => state !== 'UPDATE_STATE' && state !== 'WAIT_INTERVAL');
}

function rowOf(state: State): number {
  return SPINE.indexOf(EXITS.get(state) ?? state);
}

/** The middle of a box's row. */
function yOf(row: number): number {
  return TOP + row * ROW + BOX / 2;
}

function box(state: State, isLit: boolean, isEnd: boolean, isBusy: boolean): Markup {
  const { x, width } = EXITS.has(state) ? EXIT : SPINE_BOX;
  const y = yOf(rowOf(state));
  const classes = ['box', isLit && 'lit', isEnd && 'end', isBusy && 'busy'].filter(Boolean).join(' ');
  return html`<g class="${classes}"><rect x="${x}" y="${y - BOX / 2}" width="${width}" height="${BOX}" rx="6"/><text x="${x + width / 2}" y="${y + 4}" text-anchor="middle">${label(state)}</text></g>
`;
}

/** Every line of the diagram by name, as an SVG path. */
const EDGES: ReadonlyMap<string, string> = new Map([...spineEdges(), ...exitEdges(), ...otherEdges()]);

function spineEdges(): [string, string][] {
  const x = SPINE_BOX.x + SPINE_BOX.width / 2;
  return SPINE.slice(1).map((state, index) => [
    `spine ${state}`,
    `M${x} ${yOf(index) + BOX / 2}V${yOf(index + 1) - BOX / 2 - 1}`,
  ]);
}

function exitEdges(): [string, string][] {
  return [...EXITS.keys()].flatMap((state): [string, string][] => {
    const y = yOf(rowOf(state));
    return [
      [`to ${state}`, `M${SPINE_BOX.x} ${y}H${EXIT.x + EXIT.width + 1}`],
      [`from ${state}`, `M${EXIT.x} ${y}H${LEFT_RAIL}${downTheRail()}`],
    ];
  });
}

function otherEdges(): [string, string][] {
  const invalid = yOf(rowOf('CERT_INVALID'));
  const validate = yOf(rowOf('VALIDATE_CERT')) - 6;
  const right = SPINE_BOX.x + SPINE_BOX.width;
  return [
    ['not valid', `M${SPINE_BOX.x} ${validate}H${ELBOW}V${invalid}H${EXIT.x + EXIT.width + 1}`],
    ['held', `M${SPINE_BOX.x} ${yOf(rowOf('TLS_PROBE'))}H${LEFT_RAIL}${downTheRail()}`],
    [
      'again',
      `M${right} ${yOf(rowOf('WAIT_INTERVAL'))}H${RIGHT_RAIL}V${yOf(rowOf('CHECK_CERTS'))}H${right + 1}`,
    ],
  ];
}

function downTheRail(): string {
  return `V${yOf(rowOf('UPDATE_STATE'))}H${SPINE_BOX.x - 1}`;
}

function edge(name: string, isLit: boolean): Markup {
  const tip = isLit ? 'tip-lit' : 'tip';
  return html`<path class="edge${isLit && ' lit'}" d="${EDGES.get(name)}" marker-end="url(#${tip})"/>
`;
}

/** The lines that a walk took. Boxes that it skipped on the spine are drawn through as lines, too. */
function edgesOf(path: readonly State[]): Set<string> {
  return new Set(path.slice(1).flatMap((to, index) => step(path[index] ?? to, to)));
}

function step(from: State, to: State): string[] {
  if (EXITS.has(from)) return [`from ${from}`];
  if (EXITS.has(to)) {
    const isElbow = to === 'CERT_INVALID' && from === 'VALIDATE_CERT';
    return [...down(from, isElbow ? from : (EXITS.get(to) ?? from)), isElbow ? 'not valid' : `to ${to}`];
  }
  // a restart that is held leaves at the probe, whether or not there was one
  if (to === 'UPDATE_STATE' && from !== 'RESTART_MOSQUITTO') return [...down(from, 'TLS_PROBE'), 'held'];
  return down(from, to);
}

function down(from: State, to: State): string[] {
  return SPINE.slice(SPINE.indexOf(from) + 1, SPINE.indexOf(to) + 1).map((state) => `spine ${state}`);
}

/** Boxes with free space to their left, where the row before has a box or a line. */
const BESIDE: ReadonlySet<State> = new Set(['HASH_CHANGED', 'RESTART_MOSQUITTO']);

/** A word next to the box where the walk ended: in the free space to the left of the next or the last row. */
function annotation(
  end: State,
  note: string | undefined,
  count: DiagramOptions['count'],
): Markup | undefined {
  if (note === undefined && count === undefined) return undefined;
  const isAbove = end === 'CERT_INVALID' || !EXITS.has(end);
  const row = BESIDE.has(end) ? rowOf(end) : rowOf(end) + (isAbove ? -1 : 1);
  const y = yOf(row) + (isAbove ? 6 : -1);
  const x = EXIT.x + 1;
  return html`<text class="note" x="${x}" y="${y}">${note}</text>${
    count &&
    html`<text class="note count" x="${x}" y="${y + 13}" data-until="${count.untilMs}">${count.left}</text>`
  }
`;
}
