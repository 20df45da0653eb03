/** Resolves names of receivers, one at a time: a lookup holds a thread of the pool that reads the certificates. */

import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';

export type Resolve = LookupFunction;

/** Every address of a name; rejects with a Node error. */
export type LookUp = (name: string) => Promise<LookupAddress[]>;

/** getaddrinfo(3). It cannot be cancelled, and holds its thread until the system gives up (10 s and more). */
export function systemLookUp(name: string): Promise<LookupAddress[]> {
  return lookup(name, { all: true, order: 'verbatim' });
}

/**
 * A resolver whose callers share one thread at most: a caller that requests a name already being looked up waits for
 * that answer, and one that requests another name waits until it has arrived.
 */
export function createResolve(lookUp: LookUp = systemLookUp): Resolve {
  const underWay = new Map<string, Promise<LookupAddress[]>>();
  let last: Promise<unknown> = Promise.resolve();

  function look(name: string): Promise<LookupAddress[]> {
    const shared = underWay.get(name);
    if (shared !== undefined) return shared;
    const found = last.then(() => lookUp(name)).finally(() => underWay.delete(name));
    underWay.set(name, found);
    last = found.catch(() => undefined);
    return found;
  }

  return (name, { all }, callback) => {
    look(name).then(
      (addresses) => {
        const [first = { address: '', family: 4 }] = addresses;
        if (all === true) callback(null, addresses);
        else callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    );
  };
}
