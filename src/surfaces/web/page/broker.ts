/** The card of the brokers, their bridges and their restarts. */

import { conditionOf, healthOf } from '../../../core/model/broker.ts';
import type { BrokerCondition } from '../../../core/model/broker-condition.ts';
import { type Assessment, brokerLevel, type Level } from '../../../core/status/assess.ts';
import {
  type BrokerStatus,
  neverSeen,
  type RestartRecord,
  type Snapshot,
} from '../../../core/status/snapshot.ts';
import { clip } from '../../../core/text/clip.ts';
import { formatDuration } from '../../../core/text/duration.ts';
import { html, type Markup } from './html.ts';
import { heading, worstOf } from './parts.ts';
import { clock, dayAndClock, sentenceCase, short } from './words.ts';

export function brokerCard(snapshot: Snapshot, { findings }: Assessment): Markup {
  const { settings, broker, brokers, cycle, restarts, restartingSinceMs } = snapshot;
  const { seen, engineFailure } = broker ?? neverSeen(settings.targetLabel);
  const state = seen?.state;
  const isKnown = seen !== undefined && restartingSinceMs === undefined;
  const level = worstOf(findings, 'broker') ?? worstOf(findings, 'bridge') ?? (isKnown ? 'ok' : 'unknown');
  return html`<section class="card" aria-labelledby="broker">${heading('broker', html`Broker <span class="mono">${settings.targetLabel}</span>`, level)}
${brokerLead(snapshot)}
${engineFailure && html`<p class="tone-critical">${clip(engineFailure.failure.problem)}</p><p class="quiet">${sentenceCase(engineFailure.failure.hint)}.</p>`}
${windowLine(snapshot)}
${brokers.length > 1 && brokerTable(brokers)}
${bridgeList(brokers)}
<dl>${brokers.length === 1 && state && html`<dt>Started</dt><dd>${state.startedAtMs === undefined ? 'never' : `${dayAndClock(state.startedAtMs)} UTC`}</dd><dt>State</dt><dd>${state.status}${healthOf(state) && `, ${healthOf(state)}`}, as seen at ${dayAndClock(seen?.atMs ?? 0)} UTC</dd>`}${
    brokers.length === 1 &&
    cycle?.applied &&
    html`<dt>Has loaded</dt><dd><span class="mono">${short(cycle.applied.fingerprint)}</span>${cycle.applied.fingerprint === cycle.fingerprint && ', the set on disk'}</dd>`
  }</dl>
${restarts.length === 0 ? html`<p class="legend apart">No restart since the watcher was started.</p>` : restartTable(restarts, brokers.length > 1)}
</section>`;
}

/** When restarts are allowed: now, or when next. */
function windowLine({ settings: { restartWindow }, cycle }: Snapshot): Markup | undefined {
  if (restartWindow === undefined || cycle?.opening === undefined) return undefined;
  const { opensAtMs, closesAtMs } = cycle.opening;
  const until = `until ${dayAndClock(closesAtMs)} UTC`;
  const when =
    opensAtMs <= cycle.at.wallMs ? `open ${until}` : `opens ${dayAndClock(opensAtMs)} UTC, ${until}`;
  return html`<p class="quiet">Restart window: ${when} <span class="mono">(${restartWindow.text}, ${restartWindow.timeZone})</span></p>`;
}

const CONDITION_WORDS: Readonly<Record<Exclude<BrokerCondition, 'well'>, string>> = {
  starting: 'Starting',
  paused: 'Paused',
  stopping: 'Is being stopped',
  removing: 'Is being removed',
  dead: 'Dead',
  stopped: 'Does not run',
  crashed: 'Has crashed',
  crash_loop: 'Crashes again and again',
  unhealthy: 'Fails its health check',
};

/** The state of each of several brokers, in restart order. */
function brokerTable(brokers: readonly BrokerStatus[]): Markup {
  const rows = brokers.map((broker) => {
    const { tone, words } = stateOf(broker);
    const { container, isCurrent } = broker;
    const has = isCurrent === undefined ? '' : isCurrent ? 'current' : 'not the current ones';
    return html`<tr><td class="mono">${container}</td><td class="tone-${tone}">${words}</td><td>${has}</td></tr>`;
  });
  return html`<table><caption class="visually-hidden">Brokers, in the order in which they are restarted</caption><thead><tr><th scope="col">Broker</th><th scope="col">State</th><th scope="col">Certificates</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function stateOf({ seen, engineFailure }: BrokerStatus): { readonly tone: Level; readonly words: string } {
  if (engineFailure !== undefined) return { tone: 'warning', words: 'cannot be seen' };
  if (seen === undefined) return { tone: 'unknown', words: 'not asked about yet' };
  const condition = conditionOf(seen.state);
  if (condition === 'well') return { tone: 'ok', words: 'runs' };
  return { tone: brokerLevel(condition), words: CONDITION_WORDS[condition].toLowerCase() };
}

/** The bridges as the broker reports them, if the watcher subscribes to it. */
function bridgeList(brokers: readonly BrokerStatus[]): Markup | undefined {
  const lines = brokers.flatMap(({ container, bridges }) => {
    if (bridges === undefined) return [];
    const of = brokers.length > 1 && html` of <span class="mono">${container}</span>`;
    if (!bridges.ok) {
      return [
        html`<p>Bridges${of}: <span class="tone-warning">not known</span>, ${clip(bridges.problem)}</p><p class="quiet">${sentenceCase(bridges.hint)}.</p>`,
      ];
    }
    if (bridges.bridges.length === 0)
      return [html`<p>Bridges${of}: <span class="quiet">none reported</span></p>`];
    return bridges.bridges.map(
      ({ connection, up }) =>
        html`<p>Bridge <span class="mono">${clip(connection)}</span>${of}: <span class="tone-${up ? 'ok' : 'warning'}">${up ? 'connected' : 'down'}</span></p>`,
    );
  });
  return lines.length === 0 ? undefined : html`${lines}`;
}

function brokerLead({ restartingSinceMs, cycle, broker, brokers, settings }: Snapshot): Markup {
  const seen = broker?.seen;
  const condition = seen === undefined ? 'well' : conditionOf(seen.state);
  if (condition === 'paused')
    return html`<p class="lead tone-${brokerLevel(condition)}">${CONDITION_WORDS[condition]}</p>`;
  if (restartingSinceMs !== undefined && cycle?.reason === 'broker_starting') {
    const until = cycle.waitsUntilMs;
    return html`<p class="lead">Restarted; its health check is waited for${until !== undefined && `, until ${clock(until)} UTC at the latest`}</p>`;
  }
  if (restartingSinceMs !== undefined) {
    return html`<p class="lead">Being restarted since ${clock(restartingSinceMs)} UTC</p>`;
  }
  if (condition !== 'well') {
    return html`<p class="lead tone-${brokerLevel(condition)}">${CONDITION_WORDS[condition]}</p>`;
  }
  if (cycle?.pending === true) {
    return html`<p class="lead">${settings.restartEnabled ? 'A restart is pending' : 'Waits to be restarted by hand'}</p>`;
  }
  if (cycle?.applied === undefined)
    return html`<p class="lead quiet">${seen === undefined ? 'Not asked about yet' : 'Runs, with certificates that are not known'}</p>`;
  if (cycle.applied.fingerprint !== cycle.fingerprint) return html`<p class="lead">Left alone</p>`;
  const has = brokers.length > 1 ? `All ${brokers.length} have` : 'Has';
  return html`<p class="lead tone-ok">${has} the current certificates</p>`;
}

const RESULT_WORDS: Readonly<Record<RestartRecord['result'], string>> = {
  verified: 'came back well',
  unhealthy: 'did not come back well',
  uncertain: 'unknown',
  not_done: 'not done',
};

const RESULT_TONES = {
  verified: 'ok',
  unhealthy: 'critical',
  uncertain: 'warning',
  not_done: 'critical',
} as const;

function restartTable(restarts: readonly RestartRecord[], isNamed: boolean): Markup {
  const rows = restarts.toReversed().slice(0, 8);
  return html`<table class="apart"><caption class="visually-hidden">Restarts, the latest first</caption><thead><tr><th scope="col">Restart</th><th scope="col">Result</th><th scope="col">Took</th></tr></thead><tbody>${rows.map(
    ({ atMs, container, result, error, tookMs, tries }) =>
      html`<tr><td class="time">${dayAndClock(atMs)}</td><td>${isNamed && html`<span class="mono">${container}</span> `}<span class="tone-${RESULT_TONES[result]}">${RESULT_WORDS[result]}</span>${tries > 1 && ` (${tries} tries)`}${error && html`<br><span class="quiet">${error}</span>`}</td><td class="number">${formatDuration(tookMs)}</td></tr>`,
  )}</tbody></table>`;
}
