/** The content of a notification, in any format. */

import type { Settings } from '../../core/model/settings.ts';
import type { Notification, Told } from '../../core/status/notification.ts';
import { clip } from '../../core/text/clip.ts';

/** The sender. */
export interface Sender {
  /** name of this machine, or of the container */
  readonly host: string;
  readonly broker: string;
  readonly version: string;
}

export interface Message {
  /** the same at each attempt to deliver it */
  readonly id: string;
  readonly kind: 'problem' | 'well' | 'test';
  readonly now: Told;
  readonly before: Told;
  readonly status: Notification['status'];
  readonly sentence: string;
  readonly advice: string;
  readonly atMs: number;
}

export function senderOf({ targetLabel }: Settings, host: string, version: string): Sender {
  return { host: clip(host), broker: clip(targetLabel), version };
}

export function messageOf(id: string, notification: Notification): Message {
  const { now, sentence, advice } = notification;
  const kind = now.level === 'ok' ? 'well' : 'problem';
  return { ...notification, id, kind, sentence: clip(sentence), advice: clip(advice) };
}

/** A message that is marked as a test. */
export function testMessage(id: string, atMs: number): Message {
  return {
    id,
    kind: 'test',
    now: { level: 'ok' },
    before: { level: 'ok' },
    status: 'ok',
    sentence: 'this is a test of the notifications; it says nothing about certificates or brokers',
    advice: 'nothing to do',
    atMs,
  };
}

/** The title: `mosquitto on edge-1: critical`. */
export function titleOf({ kind, before, status }: Message, { broker, host }: Sender): string {
  const over = status === 'ok' ? 'well again' : `no longer ${before.level}`;
  const words = { problem: status, well: over, test: 'test' };
  return `${broker} on ${host}: ${words[kind]}`;
}

/** The text below it: the current state, what to do about it, and what is over. */
export function linesOf({ kind, before, sentence, advice }: Message): readonly string[] {
  const over = kind === 'well' && before.level !== 'ok' ? [`over: ${clip(before.sentence)}`] : [];
  return [sentence, advice, ...over];
}
