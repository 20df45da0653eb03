/** Deliberate mistakes in the core: each is one that a hurried change could make, and each breaks a promise. */

export interface Mutation {
  /** what the core does wrong with it */
  readonly name: string;
  readonly file: string;
  /** stands in the file exactly once */
  readonly from: string;
  readonly to: string;
  /** tests that catch it, instead of the model-based ones */
  readonly tests?: string;
}

const FACTS = 'src/core/situation.ts';
const EVIDENCE = 'src/core/memory/evidence.ts';
const SITE_MEMORY = 'src/core/memory/site.ts';
const BROKER_MEMORY = 'src/core/memory/broker.ts';
const ROLLOUT_MEMORY = 'src/core/memory/rollout.ts';
const JUDGE = 'src/core/decision/judge.ts';
const PROBES = 'src/core/decision/probe-schedule.ts';
const DECIDE = 'src/core/decision/decide.ts';
const BROKER = 'src/core/model/broker.ts';
const CONTAINER = 'src/core/model/container.ts';
const PROBE = 'src/core/model/probe.ts';
const TURN = 'src/core/decision/turn.ts';
const PEERS = 'src/core/judgements/peers.ts';
const LEFT_ALONE = 'src/core/judgements/left-alone.ts';
const UNIT = 'src/core/model/unit.ts';
const RIVALS = 'src/core/model/rivals.ts';
const START = 'src/core/memory/start.ts';
const TIMING = 'src/core/judgements/timing.ts';
const CALENDAR = 'src/core/model/calendar.ts';
const SERVICE = 'src/core/model/service.ts';
const TWO_PHASES = 'test/model/two-phases.test.ts';
const TWO_PHASES_SCENARIOS = 'test/scenarios/two-phases.test.ts';
const ROLL_BACK = 'src/core/judgements/roll-back.ts';
const LIVE = 'src/core/model/live.ts';
const PRESENTED = 'src/core/memory/presented.ts';
const SETS_SIGNAL = 'src/core/judgements/signal-sets.ts';
const SETS = 'test/model/sets.test.ts';
const SETS_SCENARIOS = 'test/scenarios/sets.test.ts';
const SETS_SIGNALS = 'test/scenarios/set-signals.test.ts';

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'decides on a set whose window has ended during a look for display, without having asked',
    file: 'src/watcher/broker-looks.ts',
    from: '!signal.aborted && state.brokers().some(isUnasked)',
    to: 'signal.aborted && state.brokers().some(isUnasked)',
    tests: 'test/scenarios/promises.test.ts',
  },
  {
    name: 'applies what others have put in place of the set that was looked at',
    file: 'src/watcher/act.ts',
    from: 'if (!(await isStillThere(step.set.identity)))',
    to: "if ((await isStillThere(step.set.identity)) && step.set.identity === '')",
  },
  {
    name: 'does not look whether a window is open',
    file: JUDGE,
    from: '  outside_window: timing.restartWindow,',
    to: '  outside_window: () => undefined,',
  },
  {
    name: 'keeps a window for which nobody waits any longer',
    file: TIMING,
    from: 'if (atMs <= now.wallMs) return undefined;',
    to: 'if (atMs < now.wallMs - 600_000) return undefined;',
  },
  {
    name: 'goes by the end of a window as if it were its begin',
    file: CALENDAR,
    from: 'const closesAtMs = Math.min(toMs, midnightMs + toMinute * MINUTE_MS);',
    to: 'const closesAtMs = Math.min(toMs, midnightMs + (toMinute + 2) * MINUTE_MS);',
  },
  {
    name: 'lets a certificate expire for the sake of a window',
    file: CALENDAR,
    from: '  return Math.min(opening.opensAtMs, loadedNotAfterMs - LAST_HOUR_MS);',
    to: '  return opening.opensAtMs;',
    tests: 'test/scenarios/window.test.ts',
  },
  {
    name: 'remembers the operator’s word for the next set too',
    file: SITE_MEMORY,
    from: "    waived: files.kind === 'complete' && files.fingerprint !== site.waived ? undefined : site.waived,",
    to: "    waived: files.kind === 'complete' && site.waived !== undefined ? files.fingerprint : site.waived,",
    tests: 'test/scenarios/requests.test.ts',
  },
  {
    name: 'does not check the cooldown',
    file: JUDGE,
    from: '  in_cooldown: restart.inCooldown,',
    to: '  in_cooldown: () => undefined,',
  },
  {
    name: 'ends the cooldown a little early',
    file: FACTS,
    from: 'last + settings.cooldownMs',
    to: 'last + settings.cooldownMs * 0.9',
  },
  {
    name: 'forgets the cooldown when the answer to a restart is lost',
    file: ROLLOUT_MEMORY,
    from: '    startAtOnce: false,\n    lastRestartMonoMs: outcome.answeredMonoMs,',
    to: "    startAtOnce: false,\n    lastRestartMonoMs: outcome.kind === 'uncertain' ? undefined : outcome.answeredMonoMs,",
  },
  {
    name: 'does not remember that it is about to restart',
    file: ROLLOUT_MEMORY,
    from: '    lastRestartMonoMs: now.monoMs,\n    stoppedByUs: hasFailed',
    to: '    failedTries: now.monoMs > 0 ? memory.failedTries : 0,\n    stoppedByUs: hasFailed',
  },
  {
    name: 'takes no start of the broker for the predecessor’s',
    file: BROKER_MEMORY,
    from: '  if (lastRestartMonoMs !== undefined || !answer.ok',
    to: '  if (started.monoMs > 0 || lastRestartMonoMs !== undefined || !answer.ok',
  },
  {
    name: 'restarts right after its start',
    file: JUDGE,
    from: '  watcher_just_started: restart.watcherJustStarted,',
    to: '  watcher_just_started: () => undefined,',
  },
  {
    name: 'does not check the expiry',
    file: JUDGE,
    from: '  cert_expired: certificates.certExpired,',
    to: '  cert_expired: () => undefined,',
  },
  {
    name: 'does not check the beginning of the validity',
    file: JUDGE,
    from: '  cert_not_yet_valid: certificates.certNotYetValid,',
    to: '  cert_not_yet_valid: () => undefined,',
  },
  {
    name: 'does not wait for the pair to be compared',
    file: FACTS,
    from: 'settings.probeEnabled && probe?.filesPassed !== true',
    to: 'false',
  },
  {
    name: 'keeps the verdict of the set before',
    file: SITE_MEMORY,
    from: 'probe: site.probe?.identity === files.identity ? site.probe : undefined,',
    to: 'probe: site.probe && { ...site.probe, identity: files.identity },',
  },
  {
    name: 'lets a network failure release a set that was refused',
    file: PROBE,
    from: "return verdict.cause === 'client_cert_rejected' ? verdict : before;",
    to: "return verdict.cause === 'client_cert_rejected' ? verdict : undefined;",
  },
  {
    name: 'never probes a held restart again',
    file: PROBES,
    from: 'probe.verdictAtMs + reprobeAfter(probe, settings)',
    to: 'probe.verdictAtMs + (probe.verdict?.ok ? reprobeAfter(probe, settings) : Number.POSITIVE_INFINITY)',
  },
  {
    name: 'starts a broker that somebody has stopped',
    file: CONTAINER,
    from: '  return !oomKilled && STOP_CODES.includes(exitCode);',
    to: '  return false;',
  },
  {
    name: 'leaves a broker alone that has crashed',
    file: CONTAINER,
    from: '  return !oomKilled && STOP_CODES.includes(exitCode);',
    to: '  return true;',
  },
  {
    name: 'takes the SIGTERM that an init passes on for a crash',
    file: CONTAINER,
    from: '= [0, 143, 130];',
    to: '= [0];',
  },
  {
    name: 'takes a kill for a stop',
    file: CONTAINER,
    from: '= [0, 143, 130];',
    to: '= [0, 143, 130, 137];',
  },
  {
    name: 'takes what the kernel has killed for stopped',
    file: CONTAINER,
    from: '  return !oomKilled && STOP_CODES.includes(exitCode);',
    to: '  return STOP_CODES.includes(exitCode);',
  },
  {
    name: 'does not heed the restart policy of a broker that was stopped',
    file: CONTAINER,
    from: "  if (name === 'always' || name === 'unless-stopped') return true;\n",
    to: '',
  },
  {
    name: 'takes a broker that its restart policy has given up for stopped',
    file: CONTAINER,
    from: '  const hasTriesLeft = retries === 0 || restartCount < retries;',
    to: '  const hasTriesLeft = retries >= 0;',
  },
  {
    name: 'takes a broker that could not be started for stopped',
    file: CONTAINER,
    from: "      return container.startError === '' && wasStopped(container) ? 'stopped' : 'crashed';",
    to: "      return wasStopped(container) ? 'stopped' : 'crashed';",
  },
  {
    name: 'restarts a paused broker',
    file: LEFT_ALONE,
    from: "conditionOf(broker.value) !== 'paused' || isOursToStart",
    to: "conditionOf(broker.value) !== 'dead' || isOursToStart",
  },
  {
    name: 'restarts a broker that is paused while a signal is given its time',
    file: BROKER,
    from: "const LEFT_ALONE: readonly BrokerCondition[] = ['paused', ",
    to: 'const LEFT_ALONE: readonly BrokerCondition[] = [',
    tests: 'test/scenarios/broker-states.test.ts',
  },
  {
    name: 'takes a paused broker of a pair for one that runs',
    file: CONTAINER,
    from: "  ['paused', 'paused'],",
    to: "  ['paused', 'running'],",
    tests: 'test/model/pair.test.ts',
  },
  {
    name: 'takes a broker of a pair for well that is starting',
    file: CONTAINER,
    from: "container.health === 'unhealthy' || container.health === 'starting' ? container.health : 'well'",
    to: "container.health === 'unhealthy' ? container.health : 'well'",
    tests: 'test/model/pair.test.ts',
  },
  {
    name: 'takes a health check that has not passed yet for one that has failed',
    file: START,
    from: '      return isLate ? unhealthy(why) : undefined;',
    to: '      return unhealthy(why);',
  },
  {
    name: 'waits forever for a health check',
    file: START,
    from: '  const isLate = now.monoMs >= start.healthyByMonoMs;',
    to: '  const isLate = now.monoMs === Number.POSITIVE_INFINITY;',
  },
  {
    name: 'gives a health check no more time than RESTART_VERIFY_TIMEOUT',
    file: START,
    from: 'Math.max(verifyTimeoutMs, up.broker.healthNeedsMs)',
    to: 'verifyTimeoutMs',
  },
  {
    name: 'lets a pause count for the time of a health check',
    file: START,
    from: '      healthyByMonoMs: start.healthyByMonoMs + pauseMs,',
    to: '      healthyByMonoMs: start.healthyByMonoMs,',
    tests: 'test/core/memory/start.test.ts',
  },
  {
    name: 'restarts again before it is known how the last restart has ended',
    file: JUDGE,
    from: '  broker_starting: restart.brokerStarting,',
    to: '  broker_starting: () => undefined,',
    tests: 'test/scenarios/broker-states.test.ts',
  },
  {
    name: 'restarts the second of a pair that is down before the first is known to be well',
    file: PEERS,
    from: 'situation.memory.start !== undefined || failureOf',
    to: 'failureOf',
    tests: 'test/scenarios/broker-states.test.ts',
  },
  {
    name: 'tells a restart late that has certainly failed',
    file: 'src/rollout/recovery.ts',
    from: ' || isPast(rest, AGREE_MS)',
    to: '',
    tests: 'test/rollout/restart.test.ts',
  },
  {
    name: 'takes a name for the beginning of an id',
    file: CONTAINER,
    from: 'const ID_PREFIX = /^[0-9a-f]{12,64}$/;',
    to: 'const ID_PREFIX = /^[0-9a-f]{1,64}$/;',
  },
  {
    name: 'believes every start to be after the files',
    file: BROKER,
    from: 'broker.startedAtMs > newestCtimeMs',
    to: 'broker.startedAtMs > 0',
  },
  {
    name: 'believes no start to be after the files',
    file: BROKER,
    from: 'broker.startedAtMs > newestCtimeMs',
    to: 'broker.startedAtMs > Number.POSITIVE_INFINITY',
  },
  {
    name: 'takes the start that has loaded another set for evidence',
    file: EVIDENCE,
    from: '  return isEvident && !isSameStart;',
    to: '  return isEvident || isSameStart;',
  },
  {
    name: 'does not notice a divergence',
    file: BROKER_MEMORY,
    from: '  if (applied === undefined || divergedAtMs !== undefined || isApplied)',
    to: '  if (applied === undefined || now.monoMs > 0 || divergedAtMs !== undefined || isApplied)',
  },
  {
    name: 'forgets what it has applied when the answer to a restart is lost',
    file: ROLLOUT_MEMORY,
    from: "  if (outcome.kind === 'uncertain') {",
    to: "  if (outcome.kind === 'uncertain' && outcome.broker === undefined) {",
  },
  {
    name: 'counts a restart as applied that was never done',
    file: ROLLOUT_MEMORY,
    from: "  if (outcome.kind === 'not_done') {",
    to: "  if (outcome.kind === 'not_done' && set.fingerprint === '') {",
  },
  {
    name: 'never asks a silent engine again',
    file: BROKER_MEMORY,
    from: 'const askAgainMonoMs = now.monoMs + (hasFailed ? pauseMs : 0);',
    to: 'const askAgainMonoMs = now.monoMs + (hasFailed ? Number.POSITIVE_INFINITY : 0);',
  },
  {
    name: 'gives up a broker that its own failed restart has left stopped',
    file: EVIDENCE,
    from: '  return stoppedByUs !== undefined && broker.finishedAt === stoppedByUs;',
    to: '  return false;',
  },
  {
    name: 'looks again only when something is due',
    file: DECIDE,
    from: '    now.monoMs + settings.checkIntervalMs,\n',
    to: '    now.monoMs + settings.checkIntervalMs * 2,\n',
  },
  {
    name: 'looks again at moments that have passed',
    file: DECIDE,
    from: '.filter((at) => at !== undefined).filter((at) => at > now.monoMs)',
    to: '.filter((at) => at !== undefined)',
  },
  {
    name: 'restarts a broker while the other one of a pair is down',
    file: JUDGE,
    from: '  roll_stopped: restart.rollIsStopped,',
    to: '  roll_stopped: () => undefined,',
  },
  {
    name: 'lets a broker whose certificate expires wait for another one’s window',
    file: TURN,
    from: "    waiting.find(({ judged }) => judged.reason !== 'outside_window') ??\n",
    to: '',
    tests: 'test/scenarios/window.test.ts',
  },
  {
    name: 'lets a broker that is down wait for its turn',
    file: TURN,
    from: '    waiting.find(({ situation }) => isDown(situation)) ??\n',
    to: '',
  },
  {
    name: 'lets no other watcher go first',
    file: RIVALS,
    from: '    return isBlind || isBefore(',
    to: '    return place.pid < 0 && isBefore(',
  },
  {
    name: 'goes before a watcher that cannot see it',
    file: RIVALS,
    from: '    return isBlind || isBefore(',
    to: '    return isBefore(',
  },
  {
    name: 'does not wait for a watcher of which it does not see what it restarts',
    file: RIVALS,
    from: '    possible.length > 0 ? PERHAPS_MS : 0,',
    to: '    0,',
  },
  {
    name: 'waits for a watcher that does nothing, for as long as it does nothing',
    file: ROLLOUT_MEMORY,
    from: '  if (memory.yielding?.identity === identity) return memory;',
    to: '  if (memory.yielding?.sinceMonoMs === now.monoMs) return memory;',
    tests: 'test/scenarios/rivals.test.ts',
  },
  {
    name: 'learns nothing from what another watcher does',
    file: ROLLOUT_MEMORY,
    from: '  return (outcome.broker.startedAtMs ?? 0) > answeredAtMs + LATE_START_MS;',
    to: '  return (outcome.broker.startedAtMs ?? 0) < answeredAtMs - LATE_START_MS;',
    tests: 'test/scenarios/rivals.test.ts',
  },
  {
    name: 'makes an update again that has failed',
    file: SERVICE,
    from: '  return hasFailed(service) && service.update !== undefined',
    to: '  return changedMs < 0 && hasFailed(service) && service.update !== undefined',
  },
  {
    name: 'takes a service back to the older files of another node',
    file: SERVICE,
    from: '  return applied !== fingerprint && history',
    to: '  return applied === fingerprint && history',
    tests: 'test/scenarios/service.test.ts',
  },
  {
    name: 'updates a service whose tasks are just being started with the new files',
    file: SERVICE,
    from: 'desired > 0 && running + coming >= desired &&',
    to: 'desired > 0 && running >= desired &&',
    tests: 'test/core/model/service.test.ts',
  },
  {
    name: 'updates a service whose tasks the swarm starts again by itself',
    file: BROKER,
    from: "broker.kind === 'service' && condition === 'crash_loop'",
    to: "broker.kind === 'service' && condition === 'dead'",
    tests: 'test/scenarios/service.test.ts',
  },
  {
    name: 'starts a unit that somebody has stopped',
    file: UNIT,
    from: "    default:\n      return 'stopped';",
    to: "    default:\n      return 'crashed';",
  },
  {
    name: 'leaves a unit alone that has failed',
    file: UNIT,
    from: "return masked ? 'stopped' : 'crashed';",
    to: "return 'stopped';",
  },
  {
    name: 'forgets that it was about to start a unit whose failure it has reset',
    file: ROLLOUT_MEMORY,
    from: 'stoppedByUs: hasFailed ? before.finishedAt : memory.stoppedByUs',
    to: 'stoppedByUs: memory.stoppedByUs',
    tests: 'test/scenarios/unit.test.ts',
  },
  {
    name: 'begins a start again that systemd has just begun',
    file: BROKER,
    from: "  if (broker.kind === 'unit' && condition === 'starting') return true;\n",
    to: '',
    tests: 'test/core/model/unit.test.ts',
  },
  {
    name: 'takes an update that cannot be followed for one that has failed',
    file: 'src/core/judgements/swarm.ts',
    from: 'if (service === undefined) return updateOutOfSight(situation);',
    to: 'if (service === undefined) return undefined;',
    tests: 'test/scenarios/service.test.ts',
  },
  {
    name: 'does not read what the service was updated for',
    file: EVIDENCE,
    from: '  return hasTakenUp(service, fingerprint) || areTasksNewer',
    to: '  return areTasksNewer',
  },
  {
    name: 'promotes a set although the upstream refuses it',
    file: JUDGE,
    from: '  probe_holds: restart.probeHolds,',
    to: '  probe_holds: (situation) => (situation.isToBePromoted ? undefined : restart.probeHolds(situation)),',
    tests: TWO_PHASES,
  },
  {
    name: 'promotes a set within the cooldown',
    file: JUDGE,
    from: '  in_cooldown: restart.inCooldown,',
    to: '  in_cooldown: (situation) => (situation.isToBePromoted ? undefined : restart.inCooldown(situation)),',
    tests: TWO_PHASES,
  },
  {
    name: 'promotes a set again that was rolled back',
    file: 'src/core/model/live.ts',
    from: '  return rolledBack.includes(editionOf(incoming));',
    to: '  return rolledBack.includes(incoming.fingerprint);',
    tests: TWO_PHASES,
  },
  {
    name: 'takes the files of the agent for what the broker has loaded',
    file: FACTS,
    from: '    isLoaded: isToBePromoted',
    to: '    isLoaded: isToBePromoted && broker === undefined',
    tests: TWO_PHASES,
  },
  {
    name: 'counts a promoted set from when the agent has written it',
    file: FACTS,
    from: '  return { ...files, newestCtimeMs: live.files.newestCtimeMs };',
    to: '  return { ...files, newestCtimeMs: Math.min(files.newestCtimeMs, live.files.newestCtimeMs) };',
    tests: TWO_PHASES_SCENARIOS,
  },
  {
    name: 'promotes a set outside of the window',
    file: JUDGE,
    from: '  outside_window: timing.restartWindow,',
    to: '  outside_window: (situation) => (situation.isToBePromoted ? undefined : timing.restartWindow(situation)),',
    tests: TWO_PHASES_SCENARIOS,
  },
  {
    name: 'promotes a set before key and certificate are compared',
    file: JUDGE,
    from: '  probe_pending: restart.probePending,',
    to: '  probe_pending: (situation) => (situation.isToBePromoted ? undefined : restart.probePending(situation)),',
    tests: TWO_PHASES,
  },
  {
    name: 'rolls a set back that was proven',
    file: ROLL_BACK,
    from: 'isOurs && !isProven && edition',
    to: 'isOurs && edition',
    tests: TWO_PHASES_SCENARIOS,
  },
  {
    name: 'rolls a set back because the upstream cannot be reached',
    file: ROLL_BACK,
    from: "  if (proof.verdict.cause !== 'client_cert_rejected') return undefined;\n",
    to: '',
    tests: TWO_PHASES_SCENARIOS,
  },
  {
    name: 'goes back to a set that has expired',
    file: LIVE,
    from: '  return notBeforeMs <= nowMs && nowMs < notAfterMs ? previous : undefined;',
    to: '  return notBeforeMs <= nowMs && notAfterMs > 0 ? previous : undefined;',
    tests: TWO_PHASES_SCENARIOS,
  },
  {
    name: 'tries a promotion that fails again and again',
    file: 'src/core/judgements/promotion.ts',
    from: '  if (failed === undefined || failed.identity !== files.identity || now.monoMs >= failed.askAgainMonoMs)',
    to: '  if (failed === undefined || now.monoMs > 0)',
    tests: TWO_PHASES_SCENARIOS,
  },
  {
    name: 'forgets after a kill that a broker is down because of a set that was rolled back',
    file: FACTS,
    from: '  if (restoredAtMs === undefined || restoredAtMs > now.wallMs) return false;',
    to: '  if (now.wallMs > 0 || restoredAtMs === undefined) return false;',
    tests: TWO_PHASES_SCENARIOS,
  },
  {
    name: 'starts a broker without the cooldown after a roll-back again and again',
    file: ROLLOUT_MEMORY,
    from: '    startAtOnce: false,\n    lastRestartMonoMs: outcome',
    to: '    lastRestartMonoMs: outcome',
    tests: TWO_PHASES_SCENARIOS,
  },
  {
    name: 'of several sets, takes a changed CA file for a renewed certificate',
    file: PRESENTED,
    from: '  if (trust !== before.trust) return',
    to: '  if (trust === undefined) return',
    tests: SETS,
  },
  {
    name: 'of several sets, does not see a new revocation list',
    file: PRESENTED,
    from: '  if (revocation !== before.revocation) return',
    to: '  if (revocation === null) return',
    tests: SETS,
  },
  {
    name: 'of several sets, takes a certificate that was presented before for proof',
    file: PRESENTED,
    from: '  if (leaf === before.leaf) return',
    to: '  if (leaf === undefined) return',
    tests: SETS_SIGNALS,
  },
  {
    name: 'of several sets, believes what it remembers of a broker that somebody has started since',
    file: EVIDENCE,
    from: '  return broker.startedAt === memory.applied.startedAt || hasKept(broker, memory, now);',
    to: '  return true;',
    tests: SETS_SIGNALS,
  },
  {
    name: 'of several sets, takes one that a listener presents for all',
    file: FACTS,
    from: '  return files.sets.every((named) => {',
    to: '  return files.sets.some((named) => {',
    tests: SETS_SIGNALS,
  },
  {
    name: 'of several sets, signals for a bridge that a signal does not move',
    file: SETS_SIGNAL,
    from: '  if (!reloadsAtOnce) return',
    to: '  if (reloadsAtOnce === undefined) return',
    tests: SETS_SIGNALS,
  },
  {
    name: 'of several sets, needs no proof of a bridge where a listener gives one',
    file: SETS_SIGNAL,
    from: "connections.length > 0 ? 'both' : ofOne",
    to: "connections.length > 0 ? 'listener' : ofOne",
    tests: SETS_SIGNALS,
  },
  {
    name: 'of several sets, accepts the fall and rise of another bridge',
    file: 'src/core/model/bridge.ts',
    from: 'sight.bridges.filter(({ connection }) => connections.includes(connection))',
    to: 'sight.bridges.filter(({ connection }) => !connections.includes(connection))',
    tests: SETS_SIGNALS,
  },
  {
    name: 'of several sets, judges only the first that has changed',
    file: 'src/core/decision/sets.ts',
    from: '  for (const view of changedViews(situation)) {',
    to: '  for (const view of changedViews(situation).slice(0, 1)) {',
    tests: SETS_SCENARIOS,
  },
  {
    name: 'of several sets, lets one that has not changed hold the others',
    file: FACTS,
    from: '    if (broker?.ok === true) return !hasLoadedSet(view, named, broker.value);',
    to: '    if (broker?.ok === true) return true;',
    tests: SETS_SCENARIOS,
  },
  {
    name: 'of several sets, forgets one that the configuration lacks for a moment',
    file: ROLLOUT_MEMORY,
    from: '    sets: { ...Object.fromEntries(others), ...sets },',
    to: '    sets,',
    tests: SETS_SCENARIOS,
  },
];
