import { describe, expect, it } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { brokerIsInQuestion } from '../../../src/core/decision/broker-look.ts';
import { type Decision, decide } from '../../../src/core/decision/decide.ts';
import type { State } from '../../../src/core/decision/diagram.ts';
import {
  createBrokerMemory,
  rememberDivergence,
  rememberStandingAnswer,
} from '../../../src/core/memory/broker.ts';
import type { BrokerMemory, SiteMemory } from '../../../src/core/memory/memory.ts';
import { createSiteMemory, rememberFiles } from '../../../src/core/memory/site.ts';
import type { FilesObservation, Moment } from '../../../src/core/model/files.ts';
import { type ProbeVerdict, standingRejection } from '../../../src/core/model/probe.ts';
import type { Settings } from '../../../src/core/model/settings.ts';

const HOUR_MS = 3_600_000;
const LONG_AGO = -HOUR_MS;

/** One look at `files` by a watcher that has been running for an hour, and what it decides. */
function look(options: {
  readonly files: FilesObservation;
  readonly site?: Partial<SiteMemory>;
  readonly memory?: Partial<BrokerMemory>;
  readonly settings?: Partial<Settings>;
  readonly engine?: Parameters<typeof rememberStandingAnswer>[3];
  readonly verdict?: ProbeVerdict;
  readonly now?: Moment;
}): Decision {
  const settings = fix.settings(options.settings);
  const now = options.now ?? fix.at(0);
  const { files } = options;
  const sighting = {
    identity: files.identity,
    sinceMonoMs: fix.at(LONG_AGO).monoMs,
    lookMonoMs: fix.at(-5_000).monoMs,
  };
  const probe = options.verdict && {
    identity: files.identity,
    running: false,
    filesPassed: options.verdict.ok || options.verdict.phase !== 'files',
    verdict: options.verdict,
    verdictAtMs: now.monoMs,
    rejection: standingRejection(undefined, options.verdict),
  };
  const started = createSiteMemory(fix.at(LONG_AGO));
  const before: SiteMemory = { ...started, cycles: 100, sighting, probe, ...options.site };
  const found = { ...createBrokerMemory(fix.at(LONG_AGO), undefined), ...options.memory };
  const looked = rememberDivergence(found, before, files, now);
  const site = rememberFiles(before, files, now);
  const memory = options.engine
    ? rememberStandingAnswer(looked, site, files, options.engine, now, settings)
    : looked;
  return decide([{ now, files, site, name: settings.targetLabel, memory, settings }]);
}

const running = { ok: true, value: fix.broker(LONG_AGO) } as const;
const changed = {
  files: fix.set('new', -60_000),
  memory: { applied: { fingerprint: 'old', startedAt: 'then' } },
};
const splayed = {
  ...changed,
  memory: { applied: { ...changed.memory.applied, notAfterMs: fix.EPOCH_MS + 10 * fix.DAY_MS } },
};
/** The tests take place at noon. */
const AT_NIGHT = fix.restartWindow('02:00-04:00');
const known = {
  files: fix.set('same', -60_000),
  memory: { applied: { fingerprint: 'same', startedAt: 'then' } },
};
const young = (identity: string) => ({
  sighting: { identity, sinceMonoMs: fix.at(-4_000).monoMs, lookMonoMs: fix.at(-1_000).monoMs },
});
const expired = fix.certificate({ notAfterMs: fix.EPOCH_MS });
const tomorrow = fix.certificate({ notBeforeMs: fix.EPOCH_MS + fix.DAY_MS });
const mismatch = fix.probeFailure({
  cause: 'client_key_mismatch',
  phase: 'files',
  error: 'client.key belongs to another certificate',
});
const good = fix.probeSuccess();

const incomplete: FilesObservation = {
  kind: 'incomplete',
  identity: 'x',
  complaints: [{ file: 'client.key', cause: 'missing', problem: 'does not exist', hint: 'wait' }],
};
const unparsable: FilesObservation = {
  kind: 'unparsable',
  identity: 'y',
  complaints: [{ file: 'client.crt', cause: 'unparsable', problem: 'looks half-written', hint: 'wait' }],
};

const TO_VALIDATE: State[] = ['CHECK_CERTS', 'CERTS_FOUND', 'PARSE_CERT', 'VALIDATE_CERT'];
const TO_STABILITY: State[] = [...TO_VALIDATE, 'CERT_VALID', 'CHECK_STABILITY'];
const TO_COOLDOWN: State[] = [...TO_STABILITY, 'STABLE', 'CHECK_COOLDOWN'];
const TO_HASH: State[] = [...TO_COOLDOWN, 'READY', 'CHECK_HASH'];
const TO_PROBE: State[] = [...TO_HASH, 'HASH_CHANGED', 'TLS_PROBE'];

describe('the path through the state diagram', () => {
  const branches: readonly [string, Decision, string, State[]][] = [
    ['files are missing', look({ files: incomplete }), 'certs_missing', ['CHECK_CERTS', 'CERTS_MISSING']],
    [
      'files change while they are read',
      look({ files: { kind: 'changing', identity: 'z' } }),
      'certs_changing',
      ['CHECK_CERTS', 'CERTS_FOUND', 'CHECK_STABILITY', 'NOT_STABLE'],
    ],
    [
      'a file cannot be parsed',
      look({ files: unparsable }),
      'cert_unparsable',
      ['CHECK_CERTS', 'CERTS_FOUND', 'PARSE_CERT', 'CERT_INVALID'],
    ],
    [
      'the leaf has expired',
      look({ files: fix.set('new', -60_000, { leaf: expired }) }),
      'cert_expired',
      [...TO_VALIDATE, 'CERT_EXPIRED'],
    ],
    [
      'the leaf is not valid yet',
      look({ files: fix.set('new', -60_000, { leaf: tomorrow }) }),
      'cert_not_yet_valid',
      [...TO_VALIDATE, 'CERT_INVALID'],
    ],
    [
      'the key belongs elsewhere',
      look({ ...changed, verdict: mismatch }),
      'key_unusable',
      [...TO_VALIDATE, 'CERT_INVALID'],
    ],
    [
      'the files are young',
      look({ ...changed, site: young(changed.files.identity) }),
      'not_stable',
      [...TO_STABILITY, 'NOT_STABLE'],
    ],
    [
      'the cooldown runs',
      look({
        ...changed,
        engine: running,
        verdict: good,
        memory: { ...changed.memory, lastRestartMonoMs: fix.at(-1_000).monoMs },
      }),
      'in_cooldown',
      [...TO_COOLDOWN, 'IN_COOLDOWN'],
    ],
    ['the broker is known to have the set', look(known), 'unchanged', [...TO_HASH, 'HASH_UNCHANGED']],
    [
      'the broker was started after the files',
      look({ ...changed, verdict: good, engine: { ok: true, value: fix.broker(-30_000) } }),
      'broker_already_current',
      [...TO_HASH, 'HASH_UNCHANGED'],
    ],
    ['the probe has not answered', look({ ...changed, engine: running }), 'probe_pending', TO_PROBE],
    [
      'the upstream refuses the set',
      look({ ...changed, engine: running, verdict: fix.probeFailure() }),
      'probe_holds',
      TO_PROBE,
    ],
    [
      'restarts are disabled',
      look({ ...changed, engine: running, verdict: good, settings: { restartEnabled: false } }),
      'restart_disabled',
      TO_PROBE,
    ],
    [
      'no window is open',
      look({ ...splayed, engine: running, verdict: good, settings: { restartWindow: AT_NIGHT } }),
      'outside_window',
      TO_PROBE,
    ],
    [
      'the restarts of the fleet are spread out',
      look({ ...splayed, engine: running, verdict: good, settings: { splayMs: fix.DAY_MS } }),
      'restart_splayed',
      TO_PROBE,
    ],
    [
      'the engine does not answer',
      look({ ...changed, engine: fix.engineFailure(), verdict: good }),
      'engine_failed',
      TO_PROBE,
    ],
    [
      'the broker was stopped',
      look({
        ...changed,
        verdict: good,
        engine: { ok: true, value: fix.broker(LONG_AGO, { up: false, status: 'exited' }) },
      }),
      'broker_not_running',
      TO_PROBE,
    ],
    [
      'the watcher has just started',
      look({ files: changed.files, engine: running, verdict: good, site: { started: fix.at(-1_000) } }),
      'watcher_just_started',
      TO_PROBE,
    ],
    [
      'everything speaks for it',
      look({ ...changed, engine: running, verdict: good }),
      'restart',
      [...TO_PROBE, 'RESTART_MOSQUITTO'],
    ],
    [
      'the probe is disabled',
      look({ ...changed, engine: running, settings: { probeEnabled: false } }),
      'restart',
      [...TO_HASH, 'HASH_CHANGED', 'RESTART_MOSQUITTO'],
    ],
  ];

  it.each(branches)('where %s', (_case, decision, reason, path) => {
    expect(decision.reason).toBe(reason);
    expect(decision.path).toEqual([...path, 'UPDATE_STATE', 'WAIT_INTERVAL']);
  });

  it('begins with INITIALIZE in the first cycle only', () => {
    expect(look({ files: incomplete, site: { cycles: 0 } }).path[0]).toBe('INITIALIZE');
    expect(look({ files: incomplete, site: { cycles: 1 } }).path[0]).toBe('CHECK_CERTS');
  });

  it.each(branches)(
    'says why in a sentence and looks again within the check interval where %s',
    (_case, decision) => {
      expect(decision.sentence).toMatch(/^\S.{10,}[^.]$/);
      const waitMs = decision.nextLookMonoMs - fix.at(0).monoMs;
      expect(waitMs).toBeGreaterThan(0);
      expect(waitMs).toBeLessThanOrEqual(5_000);
    },
  );

  it.each(branches.filter(([, , reason]) => reason !== 'restart'))(
    'takes no restart where %s',
    (_case, decision) => {
      expect(decision.steps.map(({ kind }) => kind)).not.toContain('restart');
    },
  );
});

describe('the order of the branches', () => {
  it('finds a certificate that has expired before a key that does not match', () => {
    expect(look({ files: fix.set('new', -60_000, { leaf: expired }), verdict: mismatch }).reason).toBe(
      'cert_expired',
    );
  });

  it('lets young files settle before it complains of a key that does not match', () => {
    const site = young(changed.files.identity);
    expect(look({ ...changed, site, verdict: mismatch }).reason).toBe('not_stable');
  });

  it('lets the cooldown come before the probe', () => {
    const memory = { ...changed.memory, lastRestartMonoMs: fix.at(-1_000).monoMs };
    expect(look({ ...changed, memory, engine: running, verdict: fix.probeFailure() }).reason).toBe(
      'in_cooldown',
    );
  });

  it('takes a restart by hand for the restart, even in the cooldown and with a refused certificate', () => {
    const memory = { ...changed.memory, lastRestartMonoMs: fix.at(-50_000).monoMs };
    const engine = { ok: true, value: fix.broker(-30_000) } as const;
    expect(look({ ...changed, memory, engine, verdict: fix.probeFailure() }).reason).toBe(
      'broker_already_current',
    );
  });
});

describe('what the broker has loaded', () => {
  it('does not trust a start after the files while the pair has not been compared', () => {
    const engine = { ok: true, value: fix.broker(-30_000) } as const;
    expect(look({ ...changed, engine }).reason).toBe('probe_pending');
  });

  it('does not believe that the start which loaded the old set has loaded the new one, whatever the clocks say', () => {
    const later = fix.broker(-30_000);
    const memory = { applied: { fingerprint: 'old', startedAt: later.startedAt } };
    expect(look({ ...changed, memory, verdict: good, engine: { ok: true, value: later } }).reason).toBe(
      'restart',
    );
  });

  it('restarts a broker that has crashed', () => {
    const crashed = fix.broker(LONG_AGO, { up: false, status: 'exited', exitCode: 139 });
    expect(look({ ...changed, verdict: good, engine: { ok: true, value: crashed } }).reason).toBe('restart');
  });

  it('does not restart a broker that crashed after it had read this very set', () => {
    const crashed = fix.broker(-30_000, { up: false, status: 'exited', exitCode: 1 });
    expect(look({ ...changed, verdict: good, engine: { ok: true, value: crashed } }).reason).toBe(
      'broker_already_current',
    );
  });

  it('starts a broker that its own failed restart has left stopped', () => {
    const stopped = fix.broker(LONG_AGO, { up: false, status: 'exited', finishedAt: 'just now' });
    const memory = { ...changed.memory, stoppedByUs: 'just now' };
    expect(look({ ...changed, memory, verdict: good, engine: { ok: true, value: stopped } }).reason).toBe(
      'restart',
    );
  });

  it('restarts when the old set is back but somebody restarted the broker while another lay there', () => {
    const memory = { ...known.memory, divergedAtMs: fix.EPOCH_MS - 120_000 };
    const engine = { ok: true, value: fix.broker(-90_000) } as const;
    expect(look({ ...known, memory, verdict: good, engine }).reason).toBe('restart');
  });

  it('does nothing when the old set is back and nobody restarted the broker meanwhile', () => {
    const memory = { ...known.memory, divergedAtMs: fix.EPOCH_MS - 120_000 };
    expect(look({ ...known, memory, verdict: good, engine: running }).steps.map(({ kind }) => kind)).toEqual([
      'adopt',
    ]);
  });
});

describe('the gate of the probe', () => {
  const offline = fix.probeFailure({ cause: 'tcp', phase: 'tcp', error: 'connection refused' });
  const unreadable = fix.probeFailure({ cause: 'local_file', phase: 'files', keyUnreadable: true });

  it.each([
    ['off', fix.probeFailure(), 'restart'],
    ['off', offline, 'restart'],
    ['off', mismatch, 'key_unusable'],
    ['rejected', fix.probeFailure(), 'probe_holds'],
    ['rejected', offline, 'restart'],
    ['rejected', mismatch, 'key_unusable'],
    ['any', offline, 'probe_holds'],
  ] as const)('at %s, with %o, says %s', (probeGate, verdict, reason) => {
    expect(look({ ...changed, engine: running, verdict, settings: { probeGate } }).reason).toBe(reason);
  });

  it.each(['off', 'rejected', 'any'] as const)(
    'at %s, holds nothing for a key that it may not read',
    (probeGate) => {
      const site = {
        probe: {
          identity: changed.files.identity,
          running: false,
          filesPassed: true,
          verdict: unreadable,
          verdictAtMs: fix.at(0).monoMs,
          rejection: undefined,
        },
      };
      expect(look({ ...changed, site, engine: running, settings: { probeGate } }).reason).toBe('restart');
    },
  );

  it('off, waits for the comparison of the pair only', () => {
    const probe = {
      identity: changed.files.identity,
      running: true,
      filesPassed: true,
      verdict: undefined,
      verdictAtMs: undefined,
      rejection: undefined,
    };
    const site = { probe };
    expect(look({ ...changed, site, engine: running, settings: { probeGate: 'off' } }).reason).toBe(
      'restart',
    );
    expect(look({ ...changed, site, engine: running }).reason).toBe('probe_pending');
  });
});

describe('when a probe is due', () => {
  const probes = (decision: Decision) => decision.steps.filter(({ kind }) => kind === 'probe').length;

  it('is as soon as a new set has been quiet for a second', () => {
    const since = (ms: number) => ({
      sighting: { identity: 'new@-60000', sinceMonoMs: fix.at(ms).monoMs, lookMonoMs: fix.at(ms).monoMs },
    });
    expect(probes(look({ files: changed.files, site: since(-900) }))).toBe(0);
    expect(probes(look({ files: changed.files, site: since(-1_000) }))).toBe(1);
  });

  it('is not while one of this set is running', () => {
    const probe = {
      identity: known.files.identity,
      running: true,
      filesPassed: false,
      verdict: undefined,
      verdictAtMs: undefined,
      rejection: undefined,
    };
    expect(probes(look({ ...known, site: { probe } }))).toBe(0);
  });

  it('is again after the probe interval', () => {
    const probe = (agoMs: number) => ({
      probe: {
        identity: known.files.identity,
        running: false,
        filesPassed: true,
        verdict: good,
        verdictAtMs: fix.at(-agoMs).monoMs,
        rejection: undefined,
      },
    });
    expect(probes(look({ ...known, site: probe(59_000) }))).toBe(0);
    expect(probes(look({ ...known, site: probe(60_000) }))).toBe(1);
  });

  it('is never again without an interval, unless a restart is held', () => {
    const once = { probeIntervalMs: 0 };
    const ended = (verdict: ProbeVerdict) => ({
      probe: {
        identity: changed.files.identity,
        running: false,
        filesPassed: true,
        verdict,
        verdictAtMs: fix.at(-HOUR_MS).monoMs,
        rejection: standingRejection(undefined, verdict),
      },
    });
    expect(probes(look({ ...changed, site: ended(good), settings: once, engine: running }))).toBe(0);
    expect(
      probes(look({ ...changed, site: ended(fix.probeFailure()), settings: once, engine: running })),
    ).toBe(1);
  });

  it('is for an expired certificate, but not for one that is not yet valid', () => {
    expect(probes(look({ files: fix.set('new', -60_000, { leaf: expired }) }))).toBe(1);
    expect(probes(look({ files: fix.set('new', -60_000, { leaf: tomorrow }) }))).toBe(0);
  });

  it('is not with the probe disabled', () => {
    expect(probes(look({ ...changed, settings: { probeEnabled: false }, engine: running }))).toBe(0);
  });
});

describe('the next look', () => {
  const waitMs = (decision: Decision) => decision.nextLookMonoMs - fix.at(0).monoMs;

  it('is at the very end of the stability window', () => {
    const since = {
      identity: changed.files.identity,
      sinceMonoMs: fix.at(-7_500).monoMs,
      lookMonoMs: fix.at(-10).monoMs,
    };
    expect(waitMs(look({ ...changed, site: { sighting: since }, verdict: good }))).toBe(2_500);
  });

  it('is before the end of the stability window at the moment from which the contents are final', () => {
    const since = {
      identity: changed.files.identity,
      sinceMonoMs: fix.at(0).monoMs,
      lookMonoMs: fix.at(-10).monoMs,
    };
    const files = { ...changed.files, finalFromMonoMs: fix.at(1_000).monoMs };
    expect(waitMs(look({ ...changed, files, site: { sighting: since }, verdict: good }))).toBe(1_000);
  });

  it('is at the very end of the cooldown', () => {
    const memory = { ...changed.memory, lastRestartMonoMs: fix.at(-299_000).monoMs };
    expect(waitMs(look({ ...changed, memory, engine: running, verdict: good }))).toBe(1_000);
  });

  it('is at the moment at which the leaf becomes valid', () => {
    const leaf = fix.certificate({ notBeforeMs: fix.EPOCH_MS + 1_200 });
    expect(waitMs(look({ files: fix.set('new', -60_000, { leaf }) }))).toBe(1_200);
  });

  it('is at the moment at which the leaf expires', () => {
    const leaf = fix.certificate({ notAfterMs: fix.EPOCH_MS + 800 });
    expect(waitMs(look({ ...known, files: { ...known.files, leaf }, verdict: good }))).toBe(800);
  });
});

describe('asking the engine', () => {
  const asks = (
    files: FilesObservation,
    change: Partial<BrokerMemory>,
    now = fix.at(0),
    seen: Partial<SiteMemory> = {},
  ) => {
    const sighting = {
      identity: files.identity,
      sinceMonoMs: fix.at(LONG_AGO).monoMs,
      lookMonoMs: fix.at(-1).monoMs,
    };
    const site = { ...createSiteMemory(fix.at(LONG_AGO)), cycles: 9, sighting, ...seen };
    const memory = { ...createBrokerMemory(fix.at(LONG_AGO), undefined), ...change };
    return brokerIsInQuestion({
      now,
      files,
      site,
      name: 'eclipse-mosquitto',
      memory,
      settings: fix.settings(),
    });
  };

  it('is not needed for the set that the broker is known to have', () => {
    expect(asks(known.files, known.memory)).toBe(false);
  });

  it('is needed for any other stable set', () => {
    expect(asks(changed.files, changed.memory)).toBe(true);
    expect(asks(changed.files, {})).toBe(true);
  });

  it('is not done for a set that cannot be restarted into', () => {
    expect(asks(incomplete, {})).toBe(false);
    expect(asks(unparsable, {})).toBe(false);
    expect(asks(fix.set('new', 0, { leaf: expired }), {})).toBe(false);
    expect(asks(fix.set('new', 0, { leaf: tomorrow }), {})).toBe(false);
    expect(asks(changed.files, {}, fix.at(0), young(changed.files.identity))).toBe(false);
  });

  it('waits for the backoff after a failure', () => {
    const memory = {
      standing: {
        answer: fix.engineFailure(),
        identity: changed.files.identity,
        askAgainMonoMs: fix.at(7_000).monoMs,
        cycle: 1,
      },
    };
    expect(asks(changed.files, memory, fix.at(6_999))).toBe(false);
    expect(asks(changed.files, memory, fix.at(7_000))).toBe(true);
  });
});
