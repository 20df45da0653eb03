/**
 * Remembers across restarts of the watcher what its receiver was last notified of, in a small JSON file next to the
 * state file. It is never trusted with more than a notification too many or too few.
 */

import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { PARTS } from '../core/news/events.ts';
import { KEPT_CAUSES, TOLD_NOTHING, type Told } from '../core/status/notification.ts';
import { readRegularFile } from '../system/regular-file.ts';
import { replaceFile } from '../system/replace-file.ts';

export interface NotifiedFile {
  /** What this receiver was last notified of; nothing if that is not known. Never rejects. */
  load(): Promise<Told>;
  /** Replaces what was kept. Returns at once: of several values in quick succession the last one is written. */
  keep(told: Told): void;
}

const MAX_TEXT = 1_000;
const TEXT = v.pipe(v.string(), v.maxLength(MAX_TEXT));

const SCHEMA = v.object({
  version: v.literal(1),
  receiver: v.string(),
  told: v.variant('level', [
    v.object({ level: v.literal('ok') }),
    v.object({
      level: v.picklist(['warning', 'critical']),
      cause: TEXT,
      about: v.picklist(PARTS),
      sentence: TEXT,
      sinceMs: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER)),
      causes: v.pipe(v.array(TEXT), v.maxLength(KEPT_CAUSES)),
    }),
  ]),
});

/**
 * `receiver` is what tells one receiver from another: whoever gets notifications from now on must hear of a problem that
 * somebody else was notified of. Only a digest of it is stored, because it is a secret.
 */
export function createNotifiedFile(path: string, receiver: string): NotifiedFile {
  const digest = createHash('sha256').update(receiver).digest('hex').slice(0, 16);
  let next: Told | undefined;
  let isWriting = false;

  async function write() {
    isWriting = true;
    for (let told = next; told !== undefined; told = next) {
      next = undefined;
      const text = `${JSON.stringify({ version: 1, receiver: digest, told: clipped(told) })}\n`;
      // a failure costs one notification too many; the state file beside this one reports the cause
      await replaceFile(path, async () => text);
    }
    isWriting = false;
  }

  return {
    async load() {
      const read = await readRegularFile(path);
      if (!read.ok || !isUtf8(read.bytes)) return TOLD_NOTHING;
      const parsed = v.safeParse(SCHEMA, jsonOf(read.bytes.toString('utf8')), { abortEarly: true });
      return parsed.success && parsed.output.receiver === digest ? parsed.output.told : TOLD_NOTHING;
    },
    keep(told) {
      next = told;
      // replaceFile never throws
      if (!isWriting) void write();
    },
  };
}

/** Only what can be read back. A cause that is too long is reported again. */
function clipped(told: Told): Told {
  if (told.level === 'ok') return told;
  const causes = told.causes.filter((cause) => cause.length <= MAX_TEXT);
  return {
    ...told,
    cause: told.cause.slice(0, MAX_TEXT),
    sentence: told.sentence.slice(0, MAX_TEXT),
    causes,
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
