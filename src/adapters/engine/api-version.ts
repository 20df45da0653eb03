/** The version of the API in which an engine is spoken to. https://docs.docker.com/reference/api/engine/ */

import type { EngineAnswer } from '../../core/model/broker.ts';
import type { Call, Reply } from './http.ts';

/**
 * Queries the engine (`GET /_ping`) and returns the path prefix of its own API version: engines drop old versions and
 * refuse new ones. Without a version, paths have no prefix.
 */
export async function meet(
  call: Call,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<EngineAnswer<string>> {
  const ping = await call('GET', '/_ping', timeoutMs, signal);
  return ping.ok ? { ok: true, value: versionPrefix(ping.value) } : ping;
}

/** Reads from one engine in its own version of the API. */
export interface VersionedReads {
  /**
   * `GET` of `path`, after `GET /_ping` unless the last answer has named the version: then this one will show whether it
   * is still the same, and one call is enough. If the engine names another version, or refuses, it is asked again.
   */
  get(path: string, timeoutMs: number, signal?: AbortSignal): Promise<EngineAnswer<Reply>>;
  /** the path prefix of the version that was met last; empty before that, and where the engine has none */
  prefix(): string;
}

/** Reads from the engine that `call` reaches; it is asked for its version before the first. */
export function createVersionedReads(call: Call): VersionedReads {
  let prefix = '';
  let isNamed = false;

  async function get(path: string, timeoutMs: number, signal?: AbortSignal): Promise<EngineAnswer<Reply>> {
    if (isNamed) {
      const answer = await call('GET', `${prefix}${path}`, timeoutMs, signal);
      isNamed = namesVersion(answer);
      // one that did not answer would not answer a ping either
      if (isNamed || !answer.ok) return answer;
    }
    const met = await meet(call, timeoutMs, signal);
    if (!met.ok) return met;
    prefix = met.value;
    const answer = await call('GET', `${prefix}${path}`, timeoutMs, signal);
    isNamed = namesVersion(answer);
    return answer;
  }

  function namesVersion(answer: EngineAnswer<Reply>): boolean {
    return answer.ok && prefix !== '' && versionPrefix(answer.value) === prefix;
  }

  return { get, prefix: () => prefix };
}

function versionPrefix({ status, headers }: Reply): string {
  const version = headers['api-version'];
  return status === 200 && typeof version === 'string' && /^\d+\.\d+$/.test(version) ? `/v${version}` : '';
}
