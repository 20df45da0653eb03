/**
 * Reads PEM (RFC 7468) as OpenSSL does: text around the blocks is ignored, a block that is begun must be
 * whole. What is wrong is said in words, because the reader is an operator with a half-copied file.
 */

export interface PemBlock {
  /** between `BEGIN` and the dashes: `CERTIFICATE`, `EC PRIVATE KEY`, … */
  readonly label: string;
  /** RFC 1421 headers are kept out of it; no white space */
  readonly base64: string;
  /** the key in this block needs a passphrase (`Proc-Type: 4,ENCRYPTED` or PKCS#8's own label) */
  readonly encrypted: boolean;
}

export type PemResult =
  | { readonly ok: true; readonly blocks: readonly PemBlock[] }
  | { readonly ok: false; readonly problem: string };

const BEGIN = /^-----BEGIN ([^-]+)-----\s*$/;
const END = /^-----END ([^-]+)-----\s*$/;
const HEADER = /^[A-Za-z0-9-]+:\s/;
const BASE64_LINE = /^[A-Za-z0-9+/ \t]+={0,2}$|^={1,2}$/;

/**
 * Every PEM block of `text` in file order. CRLF, a UTF-8 BOM, comments and `openssl -text` output around
 * the blocks are accepted. A file without any block yields an empty list: see {@link explainNoPem}.
 */
export function parsePem(text: string): PemResult {
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  const blocks: PemBlock[] = [];
  for (let at = 0; at < lines.length; at++) {
    const label = BEGIN.exec(lines[at] ?? '')?.[1];
    if (label === undefined) continue;
    const end = nextDashes(lines, at + 1);
    const name = `PEM block ${blocks.length + 1} (${label}, line ${at + 1})`;
    if (end < 0) return broken(`${name} has no END line; the file looks half-written`);
    if (END.exec(lines[end] ?? '')?.[1] !== label) {
      return broken(`${name} is not closed by its END line but by line ${end + 1}`);
    }
    const body = readBody(lines.slice(at + 1, end).map((line) => line.trim()));
    if (!body.ok) return broken(`${name} ${body.problem}`);
    const { base64, encrypted } = body;
    blocks.push({ label, base64, encrypted: encrypted || label === 'ENCRYPTED PRIVATE KEY' });
    at = end;
  }
  return { ok: true, blocks };
}

function nextDashes(lines: readonly string[], from: number): number {
  for (let at = from; at < lines.length; at++) {
    if (lines[at]?.startsWith('-----')) return at;
  }
  return -1;
}

type Body =
  | { readonly ok: true; readonly base64: string; readonly encrypted: boolean }
  | { readonly ok: false; readonly problem: string };

/** What stands before the first blank line is headers, and OpenSSL takes none but those of encryption. */
function readBody(lines: readonly string[]): Body {
  const blank = lines.indexOf('');
  const headers = lines.slice(0, Math.max(0, blank));
  const base64 = lines.slice(blank + 1);
  const encrypted = headers.some((line) => HEADER.test(line) && line.includes('ENCRYPTED'));
  if (base64.includes('') || (headers.length > 0 && !encrypted)) {
    const areHeaders = headers.length > 0 && headers.every((line) => HEADER.test(line));
    return { ok: false, problem: areHeaders ? 'has headers but is not encrypted' : 'has a blank line in it' };
  }
  if (!base64.every((line) => BASE64_LINE.test(line))) return { ok: false, problem: 'is not valid base64' };
  return { ok: true, base64: base64.join('').replace(/[ \t]/g, ''), encrypted };
}

/** Why a file holds no PEM block at all, as far as its first bytes (one per character) tell. */
export function explainNoPem(latin1: string): string {
  if (latin1.startsWith('\x30\x82') || latin1.startsWith('\x30\x81')) {
    return 'it looks like DER; convert it with openssl x509 -inform der -outform pem';
  }
  if (latin1.startsWith('\xFF\xFE') || latin1.startsWith('\xFE\xFF')) {
    return 'it looks like UTF-16; save it as plain text';
  }
  if (/^[ \t]+-----BEGIN /m.test(latin1)) return 'its BEGIN line is indented; remove the leading white space';
  return 'no line begins with -----BEGIN';
}

function broken(problem: string): PemResult {
  return { ok: false, problem };
}
