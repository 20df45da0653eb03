/** The live directory of a simulated gateway. The agent writes elsewhere, and only this adapter's promises hold here. */

import type { LiveSets } from '../src/adapters/live-directory/live-directory.ts';
import { type CertificateSet, editionOf, type FilesObservation } from '../src/core/model/files.ts';
import type { PromotionFailure, PromotionOutcome } from '../src/core/model/live.ts';
import type { FakeClock } from './fake-clock.ts';

interface Live {
  readonly files: FilesObservation;
  readonly edition: string | undefined;
  readonly isProven: boolean;
  /** since when it is live again, after a roll-back */
  readonly restoredAtMs?: number | undefined;
}

export type SimulatedLive = ReturnType<typeof createSimulatedLive>;

/** `incoming` is what the agent has written, as it lies there now. */
export function createSimulatedLive(clock: FakeClock, incoming: () => FilesObservation) {
  let changes = 0;
  const DONE: PromotionOutcome = { kind: 'done' };
  const OUTDATED: PromotionOutcome = { kind: 'outdated' };

  const simulated = {
    now: {
      files: { kind: 'incomplete', identity: 'none', complaints: [] },
      edition: undefined,
      isProven: false,
    } as Live,
    before: undefined as Live | undefined,
    isOurs: false,
    rolledBack: [] as string[],
    /** what is in the way, as it is seen before anything is tried */
    obstacle: undefined as PromotionFailure | undefined,
    /** how every change fails */
    failure: undefined as PromotionFailure | undefined,
    /** every set that has become the live one by a promotion, or again by a roll-back */
    moves: [] as {
      readonly atMs: number;
      readonly by: 'promotion' | 'roll-back';
      readonly set: CertificateSet;
    }[],
    /** what happens right after each of them, before anybody knows of it */
    afterMove: undefined as ((by: 'promotion' | 'roll-back') => void) | undefined,
    /** how long a change takes */
    takesMs: 0,
    /** how often a change was tried */
    tries: 0,
    /** Puts a set there as somebody had it before there was a watcher. */
    find(set: CertificateSet) {
      simulated.now = { files: set, edition: undefined, isProven: false };
    },
  };

  const sets: LiveSets = {
    observe: async () => {
      const { now, before, rolledBack, obstacle, isOurs } = simulated;
      const mayGoBack = before?.edition === undefined || !rolledBack.includes(before.edition);
      return {
        ...now,
        restoredAtMs: now.restoredAtMs,
        isOurs,
        edition: isOurs ? now.edition : undefined,
        previous: mayGoBack && before?.files.kind === 'complete' ? before.files : undefined,
        rolledBack: [...rolledBack],
        obstacle,
      };
    },
    takeOver: () => changing(takeOver),
    promote: (set) =>
      changing(() => {
        const { now } = simulated;
        if (incoming().identity !== set.identity) return OUTDATED;
        if (isFingerprint(now, set) && now.edition === editionOf(set)) return OUTDATED;
        takeOver();
        simulated.before = simulated.now.files.kind === 'complete' ? simulated.now : undefined;
        simulated.isOurs = true;
        move(set, 'promotion', { edition: editionOf(set), isProven: false });
        return DONE;
      }),
    rollBack: (set) =>
      changing(() => {
        const { now, before } = simulated;
        if (!isFingerprint(now, set) || before?.files.kind !== 'complete') return OUTDATED;
        simulated.rolledBack.push(now.edition ?? '');
        simulated.before = now;
        move(before.files, 'roll-back', before);
        return DONE;
      }),
    rememberProven: () =>
      changing(() => {
        simulated.now = { ...simulated.now, isProven: true };
        return DONE;
      }),
  };

  function takeOver(): PromotionOutcome {
    const { files } = simulated.now;
    if (simulated.isOurs) return DONE;
    if (files.kind !== 'complete') return OUTDATED;
    changes += 1;
    simulated.isOurs = true;
    simulated.now = { ...simulated.now, files: { ...files, identity: `taken over ${changes}` } };
    return DONE;
  }

  function isFingerprint({ files }: Live, { fingerprint }: CertificateSet): boolean {
    return files.kind === 'complete' && files.fingerprint === fingerprint;
  }

  function move(
    set: CertificateSet,
    by: 'promotion' | 'roll-back',
    live: Pick<Live, 'edition' | 'isProven'>,
  ) {
    changes += 1;
    const files = { ...set, identity: `live ${changes}`, newestCtimeMs: clock.now().wallMs };
    const restoredAtMs = by === 'roll-back' ? clock.now().wallMs : undefined;
    simulated.now = { files, edition: live.edition, isProven: live.isProven, restoredAtMs };
    simulated.moves.push({ atMs: clock.elapsedMs(), by, set });
    simulated.afterMove?.(by);
  }

  async function changing(work: () => PromotionOutcome): Promise<PromotionOutcome> {
    simulated.tries += 1;
    if (simulated.takesMs > 0) await clock.sleep(simulated.takesMs, new AbortController().signal);
    const failure = simulated.obstacle ?? simulated.failure;
    return failure === undefined ? work() : { kind: 'failed', failure };
  }

  return Object.assign(simulated, { sets });
}
