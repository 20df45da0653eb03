/** What to do about a server chain that OpenSSL does not verify. */

import { printable } from '../../core/text/printable.ts';
import type { Credentials } from './credentials.ts';

/** What is known of the chain, and of the CA certificates that it should lead to. */
export interface Chain {
  /** the file or directory of the CA certificates */
  readonly trust: string;
  readonly authorities: Credentials['authorities'];
  /** the issuer of the server's certificate, safe for a terminal; undefined if the certificate was not seen */
  readonly issuer: string | undefined;
  /** the extended key usages of the server's certificate, as object identifiers; undefined if it has no such limit */
  readonly usages: readonly string[] | undefined;
}

/** Texts of X509_verify_cert_error_string() (crypto/x509/x509_txt.c), unchanged since OpenSSL 3.0. */
const BY_TEXT: readonly (readonly [RegExp, (chain: Chain) => string])[] = [
  [
    /unhandled critical extension/,
    () =>
      "the server's certificate or a CA above it has a critical extension that OpenSSL does not know: have it issued again without",
  ],
  [
    /subtree violation|name constraint|name syntax/,
    () =>
      "a CA above the server's certificate may not sign for a name in it (name constraints): have it issued with other names, or by another CA",
  ],
  [
    /explicit ECC parameters/,
    () =>
      'a key in the chain of the server has explicit curve parameters: make key and certificate again with a named curve',
  ],
  [/does not include certificate signing|invalid CA certificate/, noCa],
  [/unsuitable certificate purpose/, wrongPurpose],
  [
    /path length constraint/,
    () =>
      'a CA in the chain of the server allows fewer CAs below it than there are (path length): have the intermediate CA issued again',
  ],
  [
    /EE certificate key too weak/,
    () =>
      "the key of the server's certificate is too weak for OpenSSL: have it issued again with RSA 2048 or EC",
  ],
  [
    /CA certificate key too weak/,
    ({ trust }) =>
      `the key of a CA above the server's certificate, in ${trust} or sent by the server, is too weak for OpenSSL: it needs RSA 2048 or EC`,
  ],
  [
    /digest algorithm too weak/,
    () =>
      'a certificate in the chain of the server has a signature that is too weak for OpenSSL: have it issued again with SHA-256',
  ],
  [
    /format error in certificate|invalid time/,
    () => 'a certificate in the chain of the server has dates that cannot be read: have it issued again',
  ],
  [
    /certificate rejected|certificate not trusted/,
    ({ trust }) =>
      `${trust} holds trust settings (TRUSTED CERTIFICATE) that exclude this use: put plain certificates there`,
  ],
];

/** `code` is Node's code for the fault, `text` OpenSSL's text; if Node only has UNSPECIFIED, the text decides. */
export function chainHint(code: string, text: string, chain: Chain): string {
  return (BY_TEXT.find(([pattern]) => pattern.test(text))?.[1] ?? byCode(code))(chain);
}

function byCode(code: string): (chain: Chain) => string {
  switch (code) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return ({ trust }) =>
        `the server's certificate is self-signed and not in ${trust}: is this the right server, or is it still on its default certificate?`;
    case 'UNABLE_TO_GET_ISSUER_CERT':
      return ({ trust }) =>
        `${trust} holds an intermediate CA of the server but not the CAs above it: add them, up to the root`;
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return noWay;
    case 'CERT_SIGNATURE_FAILURE':
      return otherKey;
    case 'UNSPECIFIED':
      return ({ trust }) =>
        `the chain of the server is not one that OpenSSL accepts: openssl verify on it, with the CA certificates of ${trust}, says which certificate is at fault`;
    default:
      return ({ trust, issuer }) =>
        `${trust} does not vouch for this server${issuedBy(issuer)}: is it the wrong or an old CA?`;
  }
}

function noWay(chain: Chain): string {
  const { trust, issuer } = chain;
  if (trustedIssuer(chain) !== undefined) return otherKey(chain);
  return `${trust} does not lead to the server's certificate${issuedBy(issuer)}: is it the wrong or an old CA, or does the server not send its intermediate CA?`;
}

function otherKey({ trust }: Chain): string {
  return `a CA in ${trust} has the right name but another key: put the upstream's current CA there`;
}

/** The fault may be the server's certificate or any CA above it. */
function wrongPurpose(chain: Chain): string {
  if (chain.usages !== undefined && !chain.usages.includes(SERVER_AUTHENTICATION))
    return "the server's certificate is not made for a server (extended key usage): have it issued again";
  return noCa(chain);
}

function noCa(chain: Chain): string {
  const { trust, issuer } = chain;
  if (trustedIssuer(chain)?.isCa === false)
    return `the CA ${issuer} in ${trust} is none by its own words (CA:FALSE, or a key usage without certificate signing): put the CA of the upstream there, or have it issued again`;
  return `a certificate in the chain of the server${issuedBy(issuer)} is not made for its place: a CA in ${trust} or sent by the server that is none (CA:FALSE, key usage) or none for servers (extended key usage), or a server's certificate whose key usage is a CA's`;
}

function trustedIssuer({ issuer, authorities }: Chain) {
  return authorities.find(({ subject }) => printable(subject) === issuer);
}

function issuedBy(issuer: string | undefined): string {
  return issuer === undefined ? '' : ` (issued by ${issuer})`;
}

/** RFC 5280, 4.2.1.12: id-kp-serverAuth */
const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1';
