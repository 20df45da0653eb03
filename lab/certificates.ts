/**
 * Certificates, keys and revocation lists made in process, for tests and the demo: no openssl, no files.
 *
 *     const authority = await createAuthority({ cn: 'Upstream CA' });
 *     const server = await authority.issue({ cn: 'broker', sans: ['broker.example.com', '127.0.0.1'] });
 *     const client = await authority.issue({ cn: 'edge-1', key: 'rsa-2048', notAfter: yesterday });
 *     const behind = await (await authority.intermediate({ cn: 'Issuing CA' })).issue({ cn: 'edge-2' });
 */

import './reflect-metadata.ts';
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

export type KeyType = 'p256' | 'p384' | 'p521' | 'ed25519' | 'rsa-1024' | 'rsa-2048' | 'rsa-3072';

export interface CertificateOptions {
  /** common name; `subject` wins over it */
  readonly cn?: string;
  /** whole distinguished name: `CN=edge,O=Example` */
  readonly subject?: string;
  /** type of the new key pair; `p256` unless told */
  readonly key?: KeyType;
  /** uses this private key instead of a new one (a renewal that keeps its key) */
  readonly privateKey?: KeyObject;
  /** one hour ago unless told */
  readonly notBefore?: Date;
  /** in ninety days unless told */
  readonly notAfter?: Date;
  /** DNS names and IP addresses of subjectAltName, or names of a type that is told; no extension when empty */
  readonly sans?: readonly (string | AlternativeName)[];
  /** extended key usages; both unless told, none at all when empty */
  readonly usages?: readonly ('client' | 'server')[];
  /** digest of the signature; SHA-256 unless told (Ed25519 has its own) */
  readonly hash?: 'SHA-1' | 'SHA-256';
}

export interface AlternativeName {
  readonly type: 'dns' | 'ip' | 'email' | 'url';
  readonly value: string;
}

export interface Issued {
  /** this certificate alone */
  readonly certPem: string;
  /** PKCS#8 */
  readonly keyPem: string;
  /** this certificate and the intermediates above it, without the root: what belongs into client.crt */
  readonly chainPem: string;
  /** for other encodings: `key.export({ type: 'sec1', format: 'pem' })` */
  readonly key: KeyObject;
  readonly certificate: x509.X509Certificate;
}

export interface Authority extends Issued {
  /** A certificate for a server or a client. */
  issue(options?: CertificateOptions): Promise<Issued>;
  /** An authority below this one. */
  intermediate(options?: CertificateOptions): Promise<Authority>;
  /** A revocation list in PEM that names `revoked`; valid for a day unless told. */
  crl(revoked: readonly Issued[], dates?: { thisUpdate?: Date; nextUpdate?: Date }): Promise<string>;
}

interface Signer {
  readonly name: string;
  readonly key: KeyObject;
  readonly certificate: x509.X509Certificate;
  /** PEM of the intermediates from this signer upwards; empty for a root */
  readonly chainPem: string;
}

type SigningAlgorithm = { name: string; hash?: string; namedCurve?: string };

const HOUR_MS = 3_600_000;
const CURVES = { p256: 'P-256', p384: 'P-384', p521: 'P-521' } as const;
const CURVE_OF_OPENSSL: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};
const EXTENDED_USAGE = {
  client: x509.ExtendedKeyUsage.clientAuth,
  server: x509.ExtendedKeyUsage.serverAuth,
} as const;

/** A self-signed certificate authority. */
export async function createAuthority(options: CertificateOptions = {}): Promise<Authority> {
  return authorityOf(await certify({ cn: 'Test CA', ...options }, true), '');
}

/** A self-signed certificate that is no authority. */
export function createSelfSigned(options: CertificateOptions = {}): Promise<Issued> {
  return certify(options, false);
}

/** A private key of its own. Generating RSA takes a tenth of a second or more. */
export function generatePrivateKey(type: KeyType = 'p256'): KeyObject {
  if (type === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  if (type === 'rsa-1024' || type === 'rsa-2048' || type === 'rsa-3072') {
    return generateKeyPairSync('rsa', { modulusLength: Number(type.slice(4)) }).privateKey;
  }
  return generateKeyPairSync('ec', { namedCurve: CURVES[type] }).privateKey;
}

/** A date this many days from now; negative for the past. */
export function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * 24 * HOUR_MS);
}

function authorityOf(issued: Issued, chainPem: string): Authority {
  const signer = { name: issued.certificate.subject, chainPem, ...pick(issued) };
  return {
    ...issued,
    issue: (options = {}) => certify(options, false, signer),
    intermediate: async (options = {}) => {
      const below = await certify({ cn: 'Test Issuing CA', ...options }, true, signer);
      return authorityOf(below, below.certPem + chainPem);
    },
    crl: (revoked, dates = {}) => revocationList(signer, revoked, dates),
  };
}

function pick({ key, certificate }: Issued) {
  return { key, certificate };
}

async function certify(options: CertificateOptions, ca: boolean, signer?: Signer): Promise<Issued> {
  const key = options.privateKey ?? generatePrivateKey(options.key);
  const subject = options.subject ?? `CN=${options.cn ?? 'test'}`;
  const algorithm = algorithmFor(signer?.key ?? key, options.hash);
  const publicKey = publicKeyOf(key);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    issuer: signer?.name ?? subject,
    notBefore: options.notBefore ?? new Date(Date.now() - HOUR_MS),
    notAfter: options.notAfter ?? daysFromNow(90),
    publicKey,
    signingKey: toCryptoKey(signer?.key ?? key, algorithm),
    signingAlgorithm: algorithm,
    extensions: await extensionsOf(options, ca, publicKey, signer),
  });
  const certPem = `${certificate.toString('pem')}\n`;
  const keyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { certPem, keyPem, chainPem: certPem + (signer?.chainPem ?? ''), key, certificate };
}

async function extensionsOf(
  options: CertificateOptions,
  ca: boolean,
  publicKey: x509.PublicKey,
  signer: Signer | undefined,
): Promise<x509.Extension[]> {
  const { digitalSignature, keyEncipherment, keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const leafUsage = publicKey.algorithm.name.startsWith('RSA')
    ? digitalSignature | keyEncipherment
    : digitalSignature;
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(ca, undefined, true),
    new x509.KeyUsagesExtension(ca ? keyCertSign | cRLSign : leafUsage, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
  ];
  if (signer !== undefined) {
    extensions.push(await x509.AuthorityKeyIdentifierExtension.create(signer.certificate));
  }
  const usages = options.usages ?? (ca ? [] : ['client', 'server']);
  if (usages.length > 0) {
    extensions.push(new x509.ExtendedKeyUsageExtension(usages.map((usage) => EXTENDED_USAGE[usage])));
  }
  const names = (options.sans ?? []).map(
    (name): AlternativeName =>
      typeof name === 'string' ? { type: isIP(name) === 0 ? 'dns' : 'ip', value: name } : name,
  );
  if (names.length > 0) extensions.push(new x509.SubjectAlternativeNameExtension(names));
  return extensions;
}

async function revocationList(
  signer: Signer,
  revoked: readonly Issued[],
  dates: { thisUpdate?: Date; nextUpdate?: Date },
): Promise<string> {
  const algorithm = algorithmFor(signer.key);
  const thisUpdate = dates.thisUpdate ?? new Date(Date.now() - HOUR_MS);
  const crl = await x509.X509CrlGenerator.create({
    issuer: signer.name,
    thisUpdate,
    nextUpdate: dates.nextUpdate ?? daysFromNow(1),
    entries: revoked.map(({ certificate }) => ({
      serialNumber: certificate.serialNumber,
      revocationDate: thisUpdate,
      reason: x509.X509CrlReason.keyCompromise,
    })),
    signingKey: toCryptoKey(signer.key, algorithm),
    signingAlgorithm: algorithm,
  });
  // the library's label is `CRL`, which OpenSSL does not know (RFC 7468, 6)
  return `${crl.toString('pem').replaceAll(/(BEGIN|END) CRL/g, '$1 X509 CRL')}\n`;
}

function algorithmFor(key: KeyObject, hash = 'SHA-256'): SigningAlgorithm {
  if (key.asymmetricKeyType === 'ed25519') return { name: 'Ed25519' };
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash };
  const curve = CURVE_OF_OPENSSL[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (curve === undefined)
    throw new Error(`no signature algorithm for a key of type ${key.asymmetricKeyType}`);
  return { name: 'ECDSA', namedCurve: curve, hash };
}

function toCryptoKey(key: KeyObject, algorithm: SigningAlgorithm): webcrypto.CryptoKey {
  return key.toCryptoKey(algorithm, true, ['sign']);
}

function publicKeyOf(key: KeyObject): x509.PublicKey {
  return new x509.PublicKey(createPublicKey(key).export({ type: 'spki', format: 'der' }));
}

/** RFC 5280, 4.1.2.2: positive and at most 20 octets. */
function serialNumber(): string {
  return `01${randomBytes(15).toString('hex')}`;
}

x509.cryptoProvider.set(webcrypto);
