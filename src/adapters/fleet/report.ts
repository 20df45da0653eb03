/** Reads the state that a watcher has published: anybody may have written it, so nothing of it is believed unchecked. */

import * as v from 'valibot';
import type { GatewayReport } from '../../core/model/gateway.ts';
import { printable } from '../../core/text/printable.ts';

/** The schema of docs/state.schema.json that is understood. */
export const UNDERSTOOD_SCHEMA = 1;

export type ReadReport =
  | { readonly ok: true; readonly report: GatewayReport }
  | { readonly ok: false; readonly problem: string };

/** In characters, each; longer texts are cut, not refused. */
const LONGEST_SENTENCE = 300;
const LONGEST_CAUSE = 60;

const MOST_BRIDGES = 100;
const MOST_FILES = 20;

/** Ten thousand gateways say the same few things: each text is kept once. */
const kept = new Map<string, string>();
const MOST_KEPT = 2_000;

function once(text: string): string {
  const before = kept.get(text);
  if (before !== undefined) return before;
  if (kept.size >= MOST_KEPT) kept.clear();
  // a part of a string would keep all of it
  const own = Buffer.from(text, 'utf8').toString('utf8');
  kept.set(own, own);
  return own;
}

const text = (longest: number) =>
  v.pipe(
    v.string(),
    v.transform((value) => once(printable(value, longest))),
  );

/** RFC 3339, of the years that a certificate can express. */
const time = v.pipe(
  v.string(),
  v.maxLength(40),
  v.transform((value) => Date.parse(value)),
  v.number(),
  v.check((ms) => Number.isFinite(ms)),
);

const CERTIFICATE = v.object({
  role: v.pipe(v.string(), v.maxLength(20)),
  not_after: v.nullable(time),
  expiring_from: v.nullable(time),
});

const STATE = v.object({
  version: text(40),
  now: time,
  status: v.picklist(['ok', 'warning', 'critical', 'unknown']),
  summary: text(LONGEST_SENTENCE),
  advice: v.nullable(text(LONGEST_SENTENCE)),
  findings: v.array(v.object({ cause: v.nullish(text(LONGEST_CAUSE)) })),
  decision: v.nullable(v.object({ rotation_pending: v.boolean() })),
  certificates: v.object({ files: v.pipe(v.array(CERTIFICATE), v.maxLength(MOST_FILES)) }),
  upstream: v.object({ last_probe: v.nullable(v.object({ ok: v.boolean() })) }),
  broker: v.object({
    bridges: v.nullable(v.pipe(v.array(v.object({ up: v.boolean() })), v.maxLength(MOST_BRIDGES))),
  }),
});

const VERSIONED = v.object({ schema_version: v.pipe(v.number(), v.integer()) });

/** The report in a message, or why it is none, in a sentence that repeats nothing of a message that is not understood. */
export function readReport(payload: Buffer): ReadReport {
  let json: unknown;
  try {
    json = JSON.parse(payload.toString('utf8'));
  } catch {
    return { ok: false, problem: 'what is retained as its state is not JSON' };
  }
  const versioned = v.safeParse(VERSIONED, json);
  if (!versioned.success)
    return { ok: false, problem: 'what is retained as its state has no schema_version' };
  const { schema_version: version } = versioned.output;
  if (version > UNDERSTOOD_SCHEMA) {
    const problem = `its state has the schema ${version}, and this program understands up to ${UNDERSTOOD_SCHEMA}`;
    return { ok: false, problem };
  }
  const parsed = v.safeParse(STATE, json, { abortEarly: true });
  if (parsed.success) return { ok: true, report: reportOf(parsed.output) };
  const where = printable(v.getDotPath(parsed.issues[0]) ?? 'the whole', LONGEST_CAUSE);
  return { ok: false, problem: `what is retained as its state is not of the schema: ${where}` };
}

function reportOf(state: v.InferOutput<typeof STATE>): GatewayReport {
  const client = state.certificates.files.find(({ role }) => role === 'client');
  const { bridges } = state.broker;
  return {
    atMs: state.now,
    version: state.version,
    level: state.status,
    cause: state.findings[0]?.cause ?? undefined,
    sentence: state.summary,
    advice: state.advice ?? undefined,
    notAfterMs: client?.not_after ?? undefined,
    expiringFromMs: client?.expiring_from ?? undefined,
    isRotationPending: state.decision?.rotation_pending ?? false,
    isAccepted: state.upstream.last_probe?.ok,
    areBridgesUp: bridges === null || bridges.length === 0 ? undefined : bridges.every(({ up }) => up),
  };
}
