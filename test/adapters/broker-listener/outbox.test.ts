import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createOutbox } from '../../../src/adapters/broker-listener/outbox.ts';
import type { Message } from '../../../src/system/mqtt/connection.ts';

// only timers and the monotonic clock: nothing else here takes time
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'hrtime'] }));
afterEach(() => void vi.useRealTimers());

function connected() {
  const sent: (Message & { readonly id: number })[] = [];
  const published: string[] = [];
  const outbox = createOutbox((topic) => published.push(topic));
  const send = (id: number, message: Message) => void sent.push({ id, ...message });
  const confirm = () => outbox.published(sent.at(-1)?.id ?? 0);
  const payloads = () => sent.map(({ payload }) => payload);
  return { outbox, send, sent, published, confirm, payloads };
}

const state = (payload: string): Message => ({ topic: 'a/state', payload });

describe('what is to be published', () => {
  it('waits for a connection, and is sent when there is one', () => {
    const { outbox, send, payloads } = connected();
    outbox.put(state('1'));
    expect(payloads()).toEqual([]);
    outbox.begin(send);
    expect(payloads()).toEqual(['1']);
  });

  it('is sent once a second at most, and then only as it is now', () => {
    const { outbox, send, payloads, confirm } = connected();
    outbox.begin(send);
    outbox.put(state('1'));
    confirm();
    for (const payload of ['2', '3', '4']) outbox.put(state(payload));
    expect(payloads()).toEqual(['1']);
    vi.advanceTimersByTime(999);
    expect(payloads()).toEqual(['1']);
    vi.advanceTimersByTime(1);
    expect(payloads()).toEqual(['1', '4']);
  });

  it('does not wait for another topic', () => {
    const { outbox, send, payloads, confirm } = connected();
    outbox.begin(send);
    outbox.put(state('1'));
    confirm();
    outbox.put({ topic: 'a/availability', payload: 'online' });
    expect(payloads()).toEqual(['1', 'online']);
  });

  it('is one message at a time: the next one follows its confirmation', () => {
    const { outbox, send, payloads, confirm, published } = connected();
    outbox.begin(send);
    outbox.put(state('1'));
    outbox.put({ topic: 'a/availability', payload: 'online' });
    expect(payloads()).toEqual(['1']);
    confirm();
    expect(payloads()).toEqual(['1', 'online']);
    expect(published).toEqual(['a/state']);
  });

  it('is not sent again for what is the same', () => {
    const { outbox, send, payloads, confirm } = connected();
    outbox.begin(send);
    outbox.put(state('1'));
    confirm();
    outbox.put(state('1'));
    vi.advanceTimersByTime(5_000);
    expect(payloads()).toEqual(['1']);
  });

  it('is all sent again by the next connection, no sooner than a second after the last time', () => {
    const { outbox, send, payloads, confirm } = connected();
    outbox.begin(send);
    outbox.put(state('1'));
    confirm();
    outbox.end();
    vi.advanceTimersByTime(400);
    outbox.begin(send);
    expect(payloads()).toEqual(['1']);
    vi.advanceTimersByTime(600);
    expect(payloads()).toEqual(['1', '1']);
  });

  it('that was lost with its connection is sent by the next one, as it is then', () => {
    const { outbox, send, payloads } = connected();
    outbox.begin(send);
    outbox.put(state('1'));
    outbox.end();
    outbox.put(state('2'));
    vi.advanceTimersByTime(5_000);
    outbox.begin(send);
    expect(payloads()).toEqual(['1', '2']);
  });

  it('is forgotten once it was removed', () => {
    const { outbox, send, payloads, confirm } = connected();
    outbox.begin(send);
    outbox.put(state(''));
    confirm();
    outbox.end();
    vi.advanceTimersByTime(5_000);
    outbox.begin(send);
    expect(payloads()).toEqual(['']);
  });

  it('is overdue after half a minute without a confirmation', () => {
    const { outbox, send, confirm } = connected();
    outbox.begin(send);
    outbox.put(state('1'));
    vi.advanceTimersByTime(30_000);
    expect(outbox.overdue()).toBeUndefined();
    vi.advanceTimersByTime(1);
    expect(outbox.overdue()).toBe('a/state');
    confirm();
    expect(outbox.overdue()).toBeUndefined();
  });

  it('has identifiers of 16 bits, without 0 and that of a farewell', () => {
    const { outbox, send, sent, confirm } = connected();
    outbox.begin(send);
    for (let number = 0; number < 70_000; number += 1) {
      outbox.put(state(String(number)));
      vi.advanceTimersByTime(1_000);
      confirm();
    }
    const ids = new Set(sent.map(({ id }) => id));
    expect([Math.min(...ids), Math.max(...ids)]).toEqual([1, 0xfffe]);
  });
});
