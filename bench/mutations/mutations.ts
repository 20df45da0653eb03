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

const FACTS = 'src/core/facts.ts';
const MEMORY = 'src/core/memory.ts';
const BRANCHES = 'src/core/branches.ts';
const DECIDE = 'src/core/decide.ts';
const BROKER = 'src/core/broker.ts';
const PROBE = 'src/core/probe.ts';
const ROLL = 'src/core/roll.ts';
const SERVICE = 'src/core/service.ts';

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'does not check the cooldown',
    file: BRANCHES,
    from: "  { via: ['STABLE', 'CHECK_COOLDOWN'], branch: inCooldown },\n",
    to: '',
  },
  {
    name: 'ends the cooldown a little early',
    file: FACTS,
    from: 'last + settings.cooldownMs',
    to: 'last + settings.cooldownMs * 0.9',
  },
  {
    name: 'forgets the cooldown when the answer to a restart is lost',
    file: MEMORY,
    from: '  const counted: Memory = {\n    ...told,\n    lastRestartMonoMs: outcome.answeredMonoMs,',
    to: "  const counted: Memory = {\n    ...told,\n    lastRestartMonoMs: outcome.kind === 'uncertain' ? undefined : outcome.answeredMonoMs,",
  },
  {
    name: 'does not remember that it is about to restart',
    file: MEMORY,
    from: '  return { ...memory, lastRestartMonoMs: now.monoMs };',
    to: '  return { ...memory, cycles: now.monoMs > 0 ? memory.cycles : 0 };',
  },
  {
    name: 'takes no start of the broker for the predecessor’s',
    file: MEMORY,
    from: '  if (lastRestartMonoMs !== undefined || !answer.ok',
    to: '  if (started.monoMs > 0 || lastRestartMonoMs !== undefined || !answer.ok',
  },
  {
    name: 'restarts right after its start',
    file: BRANCHES,
    from: '  { via: [], branch: watcherJustStarted },\n',
    to: '',
  },
  {
    name: 'does not check the expiry',
    file: BRANCHES,
    from: "  { via: ['CERTS_FOUND', 'PARSE_CERT', 'VALIDATE_CERT'], branch: certExpired },\n",
    to: "  { via: ['CERTS_FOUND', 'PARSE_CERT', 'VALIDATE_CERT'], branch: () => undefined },\n",
  },
  {
    name: 'does not check the beginning of the validity',
    file: BRANCHES,
    from: '  { via: [], branch: certNotYetValid },\n',
    to: '',
  },
  {
    name: 'does not wait for the pair to be compared',
    file: FACTS,
    from: 'settings.probeEnabled && probe?.filesPassed !== true',
    to: 'false',
  },
  {
    name: 'keeps the verdict of the set before',
    file: MEMORY,
    from: 'probe: memory.probe?.identity === files.identity ? memory.probe : undefined,',
    to: 'probe: memory.probe && { ...memory.probe, identity: files.identity },',
  },
  {
    name: 'lets a network failure release a set that was refused',
    file: PROBE,
    from: "return verdict.cause === 'client_cert_rejected' ? verdict : before;",
    to: "return verdict.cause === 'client_cert_rejected' ? verdict : undefined;",
  },
  {
    name: 'never probes a held restart again',
    file: DECIDE,
    from: 'probe.verdictAtMs + reprobeAfter(probe, settings)',
    to: 'probe.verdictAtMs + (probe.verdict?.ok ? reprobeAfter(probe, settings) : Number.POSITIVE_INFINITY)',
  },
  {
    name: 'starts a broker that somebody has stopped',
    file: BROKER,
    from: '  return broker.startedAtMs === undefined || broker.exitCode === 0;',
    to: '  return broker.startedAtMs === undefined;',
  },
  {
    name: 'leaves a broker alone that has crashed',
    file: BROKER,
    from: '  return broker.startedAtMs === undefined || broker.exitCode === 0;',
    to: '  return true;',
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
    file: FACTS,
    from: '  return isEvident && !isSameStart;',
    to: '  return isEvident || isSameStart;',
  },
  {
    name: 'does not notice an excursion',
    file: MEMORY,
    from: '  if (applied === undefined || strayedAtMs !== undefined || isApplied) {',
    to: '  if (applied === undefined || now.monoMs > 0 || strayedAtMs !== undefined || isApplied) {',
  },
  {
    name: 'forgets what it has applied when the answer to a restart is lost',
    file: MEMORY,
    from: "  if (outcome.kind === 'uncertain') {",
    to: "  if (outcome.kind === 'uncertain' && outcome.broker === undefined) {",
  },
  {
    name: 'counts a restart as applied that was never done',
    file: MEMORY,
    from: "  if (outcome.kind === 'not_done') {",
    to: "  if (outcome.kind === 'not_done' && set.fingerprint === '') {",
  },
  {
    name: 'never asks a silent engine again',
    file: MEMORY,
    from: 'const askAgainMonoMs = now.monoMs + (isFruitless ? backoff(fruitless, settings) : 0);',
    to: 'const askAgainMonoMs = now.monoMs + (isFruitless ? Number.POSITIVE_INFINITY : 0);',
  },
  {
    name: 'gives up a broker that its own failed restart has left stopped',
    file: FACTS,
    from: '  return !broker.up && stoppedByUs !== undefined && broker.finishedAt === stoppedByUs;',
    to: '  return broker.up && stoppedByUs === broker.finishedAt;',
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
    file: ROLL,
    from: "  if (decision.reason !== 'restart' || obstacle === undefined) return decision;",
    to: "  if (decision.reason !== 'restart' || obstacle?.container !== '') return decision;",
  },
  {
    name: 'lets a broker that is down wait for its turn',
    file: ROLL,
    from: 'waiting.find(({ view }) => isDown(view)) ?? ',
    to: '',
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
    name: 'does not read what the service was updated for',
    file: FACTS,
    from: '  return hasTakenUp(service, fingerprint) || runsSince',
    to: '  return runsSince',
  },
];
