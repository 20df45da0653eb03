import { describe, expect, it } from 'vitest';
import { type ProbeCause, type ProbeVerdict, verdictAt } from '../../../src/core/model/probe.ts';

const seen = { durationMs: 1, phaseMs: {} };
const works: ProbeVerdict = { ...seen, ok: true, proof: 'settled' };
const fails = (cause: ProbeCause): ProbeVerdict => {
  return { ...seen, ok: false, cause, phase: 'tls', hint: 'h', error: 'e' };
};
const at = (...verdicts: readonly ProbeVerdict[]) =>
  verdictAt(verdicts.map((verdict, index) => ({ upstream: `u${index}:8883`, verdict })));

describe('the verdict on several addresses', () => {
  it('is that of the only one', () => {
    expect(at(works)).toBe(works);
  });

  it('is that of the first that accepts the set, and knows all of them', () => {
    expect(at(fails('tcp'), works, fails('client_cert_rejected'))).toMatchObject({
      ok: true,
      addresses: [
        { upstream: 'u0:8883', verdict: { cause: 'tcp' } },
        { upstream: 'u1:8883', verdict: { ok: true } },
        { upstream: 'u2:8883', verdict: { cause: 'client_cert_rejected' } },
      ],
    });
  });

  it('is a proven refusal, where the others are only down', () => {
    expect(at(fails('tcp'), fails('client_cert_rejected'))).toMatchObject({ cause: 'client_cert_rejected' });
  });

  it('is that of the first one where none says more than another', () => {
    expect(at(fails('dns'), fails('tcp'))).toMatchObject({ cause: 'dns' });
  });
});
