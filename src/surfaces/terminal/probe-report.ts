/** One probe verdict for people and for programs. */

import { PROBE_PHASES, type ProbePhase, type ProbeVerdict } from '../../core/model/probe.ts';
import type { HostPort } from '../../core/model/settings.ts';
import { printable, visibleJson } from '../../core/text/printable.ts';
import { timestamp } from '../../core/text/timestamp.ts';

/** What `probe --json` prints, on one line. Unknown values are null, so that every key is always present. */
export interface ProbeJson {
  readonly ok: boolean;
  readonly cause: string | null;
  readonly hint: string | null;
  readonly error: string | null;
  /** the phase that the probe ended in */
  readonly phase: ProbePhase;
  /** what a success is based on */
  readonly proof: string | null;
  readonly address: string | null;
  readonly protocol: string | null;
  readonly cipher: string | null;
  readonly server: {
    readonly subject: string;
    readonly issuer: string;
    /** RFC 3339, UTC, whole seconds */
    readonly not_after: string;
    readonly days_remaining: number;
  } | null;
  /** the file at fault, for local causes */
  readonly file: string | null;
  readonly duration_ms: number;
  readonly phases_ms: Readonly<Partial<Record<ProbePhase, number>>>;
}

/** The verdict as a plain object for `JSON.stringify`, in the order in which it is read. */
export function probeJson(verdict: ProbeVerdict): ProbeJson {
  const { address, protocol, cipher, server, durationMs, phaseMs } = verdict;
  const failure = verdict.ok ? undefined : verdict;
  return {
    ok: verdict.ok,
    cause: failure?.cause ?? null,
    hint: failure?.hint ?? null,
    error: failure?.error ?? null,
    phase: failure?.phase ?? lastPhase(verdict),
    proof: verdict.ok ? verdict.proof : null,
    address: address ?? null,
    protocol: protocol ?? null,
    cipher: cipher ?? null,
    server:
      server === undefined
        ? null
        : {
            subject: server.subject,
            issuer: server.issuer,
            not_after: timestamp(server.notAfterMs),
            days_remaining: server.daysRemaining,
          },
    file: failure?.file ?? null,
    duration_ms: durationMs,
    phases_ms: phaseMs,
  };
}

/** The verdict as one line for programs; ends with a newline. */
export function probeJsonLine(verdict: ProbeVerdict): string {
  return `${visibleJson(JSON.stringify(probeJson(verdict)))}\n`;
}

/** Maximum length of an error, or a hint, in the form for people. */
const LONGEST = 1_000;

/** What a success proves, and what it does not. */
const PROOFS = {
  connack: 'the broker has accepted our login over this connection',
  pair: 'nobody was asked: key and certificate belong together',
  settled:
    'the upstream raised no objection to the client certificate; only TLS_PROBE_MODE=mqtt proves that it asked for one',
} as const;

/** What is about to be probed; ends with a newline. */
export function renderProbeTarget(upstream: HostPort, serverName: string | undefined): string {
  const name = serverName === undefined ? '' : `, as ${serverName}`;
  return `${printable(`probing ${upstream.host} port ${upstream.port}${name}`)}\n`;
}

/** One phase that is over, passed or not; ends with a newline. */
export function renderPhase(phase: ProbePhase, elapsedMs: number): string {
  return `  ${phase.padEnd(9)} ${`${elapsedMs}`.padStart(5)} ms\n`;
}

/** The verdict in a few lines for a terminal; ends with a newline. */
export function renderProbe(verdict: ProbeVerdict, { color }: { color: boolean }): string {
  const paint = (code: number, text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const headline = verdict.ok
    ? `${paint(32, 'accepted')}  ${PROOFS[verdict.proof]}`
    : `${paint(31, 'failed')}  ${verdict.cause} in phase ${verdict.phase}`;
  const rows = rowsOf(verdict).map(([name, value]) => `  ${paint(2, name.padEnd(9))} ${value}`);
  return `${[headline, ...rows].join('\n')}\n`;
}

function rowsOf(verdict: ProbeVerdict): [string, string][] {
  const { address, protocol, cipher, server, durationMs } = verdict;
  const rows: [string, string | undefined][] = [
    ['error', verdict.ok ? undefined : verdict.error],
    ['hint', verdict.ok ? undefined : verdict.hint],
    ['address', address],
    ['tls', [protocol, cipher].filter(Boolean).join(', ') || undefined],
    ['server', server?.subject],
    ['issuer', server?.issuer],
    ['expires', server === undefined ? undefined : expiry(server.notAfterMs, server.daysRemaining)],
    ['time', `${durationMs} ms`],
  ];
  return rows.flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, printable(value, LONGEST)]],
  );
}

function expiry(notAfterMs: number, days: number): string {
  const unit = Math.abs(days) === 1 ? 'day' : 'days';
  return days < 0
    ? `${timestamp(notAfterMs)}, ${-days} ${unit} ago`
    : `${timestamp(notAfterMs)}, in ${days} ${unit}`;
}

function lastPhase({ phaseMs }: ProbeVerdict): ProbePhase {
  return PROBE_PHASES.findLast((phase) => phaseMs[phase] !== undefined) ?? 'files';
}
