/** The dns phase: resolves names with the system's resolver, like every other program on this machine. */

import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { codeOf, messageOf } from '../../system/errors.ts';
import { failed, type Limit, passed, type Step, withinPromise } from './step.ts';
import type { Upstream } from './target.ts';

/** Every address of a name, in the order in which to try them; rejects with a Node error. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/**
 * Resolves with getaddrinfo(3): /etc/hosts, search domains and all. The call cannot be cancelled and holds a
 * thread of the pool until the system gives up (10 s and more), which also delays `process.exit`.
 */
export async function systemResolve(name: string): Promise<readonly string[]> {
  const found: LookupAddress[] = await lookup(name, { all: true, order: 'verbatim' });
  return [...new Set(found.map(({ address }) => address))];
}

/** An address itself needs no resolver. */
export function needsResolver(upstream: Upstream): boolean {
  return isIP(upstream.host) === 0;
}

/**
 * A resolver with a deadline. While a lookup that timed out is still running, later calls wait for that one: on a site
 * whose resolver does not answer they would otherwise occupy every thread that reads files.
 */
export function createResolver(upstream: Upstream, resolve: Resolve) {
  let underWay: Promise<Step<readonly string[]>> | undefined;
  const lookUp = () => {
    underWay ??= resolveName(upstream, resolve).finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
  return (limit: Limit) => withinPromise(limit, () => silent(upstream.host, limit.ms), lookUp);
}

async function resolveName(upstream: Upstream, resolve: Resolve): Promise<Step<readonly string[]>> {
  const name = upstream.host;
  try {
    const addresses = await resolve(name);
    return addresses.length > 0 ? passed(addresses) : unknownName(upstream, `no address for ${name}`);
  } catch (error) {
    const message = messageOf(error);
    if (codeOf(error) === 'ENOTFOUND') return unknownName(upstream, message);
    const hint = `the resolver gave no answer for ${name}: check /etc/resolv.conf and whether its name server is reachable`;
    return failed({ cause: 'dns', hint, error: message });
  }
}

function unknownName({ host, wording }: Upstream, error: string): Step<never> {
  const hint = `the name ${host} is not known: check the host in ${wording.address}, /etc/hosts and the resolver`;
  return failed({ cause: 'dns', hint, error });
}

function silent(name: string, ms: number): Step<never> {
  return failed({
    cause: 'timeout',
    hint: `the resolver does not answer: check /etc/resolv.conf and whether its name server is reachable`,
    error: `no answer for ${name} within ${Math.round(ms)} ms`,
  });
}
