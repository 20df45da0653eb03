import { describe, expect, it } from 'vitest';
import { createAuthority, createSelfSigned, daysFromNow } from '../../lab/certificates.ts';
import { judgeChain } from '../../src/cli/check-chain.ts';
import { parseCertificates } from '../../src/system/x509.ts';

function judge(pem: string, ca = root.certPem) {
  const parsed = parseCertificates(Buffer.from(pem), 'chain');
  const authorities = parseCertificates(Buffer.from(ca), 'authorities');
  if (!parsed.ok || !authorities.ok) throw new Error(JSON.stringify([parsed, authorities]));
  return judgeChain(parsed.certificates, authorities.certificates, Date.now());
}

const root = await createAuthority({ cn: 'Root' });
const issuing = await root.intermediate({ cn: 'Issuing' });
const client = await issuing.issue({ cn: 'edge' });

describe('the chain in client.crt', () => {
  it('is well with its intermediates, up to an authority of the CA file', () => {
    expect(judge(client.chainPem)).toEqual({
      level: 'ok',
      message: '2 certificates, issued by CN=Root, which the CA file holds',
    });
  });

  it('is well alone: the upstream may know the intermediate', () => {
    expect(judge(client.certPem)).toMatchObject({
      level: 'ok',
      message: 'one certificate, issued by CN=Issuing, which the upstream has to know',
    });
  });

  it('is well with its root, and self-signed', async () => {
    expect(judge(client.chainPem + root.certPem).message).toBe('3 certificates, up to its root');
    expect(judge((await createSelfSigned({ cn: 'me' })).certPem).level).toBe('ok');
  });

  it('has to begin with the client certificate', () => {
    expect(judge(issuing.certPem + client.certPem)).toMatchObject({ level: 'critical' });
  });

  it('may begin with a client certificate that is an authority itself, whatever is behind it', async () => {
    const authority = await issuing.intermediate({ cn: 'edge and authority' });
    expect(judge(authority.chainPem)).toMatchObject({ level: 'ok' });
  });

  it('should hold no strangers, not even one of the right name', async () => {
    const impostor = await (await createAuthority({ cn: 'Root' })).intermediate({ cn: 'Issuing' });
    expect(judge(client.certPem + impostor.certPem)).toMatchObject({
      level: 'warning',
      message: '1 of 2 certificates do not belong to the chain',
    });
  });

  it('breaks where an intermediate has expired', async () => {
    const old = await root.intermediate({ cn: 'Old', notBefore: daysFromNow(-9), notAfter: daysFromNow(-1) });
    expect(judge((await old.issue({ cn: 'edge' })).chainPem)).toMatchObject({
      level: 'critical',
      message: expect.stringMatching(/^the intermediate CN=Old expired on \d{4}-/),
    });
  });

  describe('with an expired cross certificate', async () => {
    const other = await createAuthority({ cn: 'Other root' });
    const key = issuing.key;
    const cross = await other.intermediate({
      cn: 'Issuing',
      privateKey: key,
      notBefore: daysFromNow(-9),
      notAfter: daysFromNow(-1),
    });

    it('is well beside a valid path', () => {
      expect(judge(client.certPem + cross.certPem + issuing.certPem)).toMatchObject({ level: 'ok' });
    });

    it('is worth a warning where the CA file has a valid one of the same name and key', () => {
      expect(judge(client.certPem + cross.certPem, issuing.certPem)).toMatchObject({
        level: 'warning',
        message: expect.stringContaining('the CA file has a valid one of its name and key'),
      });
    });

    it('is broken without another path', () => {
      expect(judge(client.certPem + cross.certPem)).toMatchObject({ level: 'critical' });
    });
  });
});
