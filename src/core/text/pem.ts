/**
 * Reads PEM (RFC 7468) by the rules of OpenSSL 3 (crypto/pem/pem_lib.c), line by line as OpenSSL does, because the
 * broker loads what OpenSSL loads and nothing else. Problems are described in words: the reader is an operator with a
 * half-copied file. What OpenSSL skips silently is reported, too.
 */

export interface PemBlock {
  /** between `BEGIN` and the dashes: `CERTIFICATE`, `EC PRIVATE KEY`, … */
  readonly label: string;
  /** in which line it begins, from 1 */
  readonly line: number;
  /** without white space, padded: what OpenSSL decodes */
  readonly base64: string;
  /** the text before the first blank line (RFC 1421); empty for nearly every block */
  readonly header: string;
  /** the content of this block needs a passphrase (`Proc-Type: 4,ENCRYPTED` or PKCS#8's own label) */
  readonly encrypted: boolean;
}

export interface Pem {
  /** every complete block in file order, up to the problem */
  readonly blocks: readonly PemBlock[];
  /** why OpenSSL stops reading, continuing the file's name; undefined if it reads to the end */
  readonly problem: string | undefined;
  /** what OpenSSL skips although a certificate seems to be intended, each continuing the file's name */
  readonly ignored: readonly string[];
}

/** OpenSSL's buffer (LINESIZE) holds 254 bytes: a longer line reaches it in pieces. */
const LONGEST_PIECE = 254;
/** If more than these are skipped in a file, listing them all would not help. */
const MOST_IGNORED = 5;
const BYTE_ORDER_MARK = '\xEF\xBB\xBF';
const HEADER_LINE = /^[A-Za-z0-9-]+:\s/;
const ENCRYPTION = /^Proc-Type:[ \t]*4,[ \t]*ENCRYPTED[ \t\r]*\n/;
const MEANT = /-----BEGIN [A-Z0-9 ]*(?:CERTIFICATE|PKCS7|CMS)/;

/**
 * Every PEM block of a file in file order; for a file without any, see {@link explainNoPem}. `latin1` is the file with
 * one character for each byte. `charIsSigned` is the signedness of C's `char`, true on x86 and false on ARM; it decides
 * whether OpenSSL treats bytes above 127 at the end of a line (a no-break space) as white space.
 */
export function parsePem(latin1: string, charIsSigned = true): Pem {
  const pieces = piecesOf(latin1);
  const strip = charIsSigned ? stripSigned : stripUnsigned;
  const blocks: PemBlock[] = [];
  const ignored: string[] = [];
  for (;;) {
    const begin = findBegin(pieces, strip, ignored);
    if (begin === undefined) return { blocks, problem: undefined, ignored };
    const name = `PEM block ${blocks.length + 1} (${begin.label}, line ${begin.line})`;
    const block = readBlock(pieces, strip, begin);
    if (!block.ok) return { blocks, problem: explainBlock(begin.label, name, block.problem), ignored };
    blocks.push(block.value);
    if (block.restDropped && ignored.length < MOST_IGNORED) {
      ignored.push(
        `${name} is read up to a dash within it, and what follows there is dropped: is its END line missing?`,
      );
    }
  }
}

interface Pieces {
  /** the next line, or the next part of a long one, with its line end; undefined at the end of the file as C sees it */
  next(): string | undefined;
  /** the line in which the last piece began, from 1 */
  line(): number;
  /** what has not been read */
  rest(): string;
}

/**
 * As fgets(3) and strlen(3) see the file: a NUL ends a line, and one at the beginning of a line ends the whole file.
 */
function piecesOf(text: string): Pieces {
  let at = 0;
  let line = 1;
  let nextLine = 1;
  return {
    next() {
      if (at >= text.length) return undefined;
      const lineEnd = text.indexOf('\n', at);
      const end = Math.min(lineEnd < 0 ? text.length : lineEnd + 1, at + LONGEST_PIECE);
      const piece = text.slice(at, end);
      line = nextLine;
      if (piece.endsWith('\n')) nextLine += 1;
      const nul = piece.indexOf('\0');
      if (nul === 0) return undefined;
      at = end;
      return nul < 0 ? piece : piece.slice(0, nul);
    },
    line: () => line,
    rest: () => text.slice(at),
  };
}

type Strip = (piece: string) => string;

/** Strips trailing characters that compare as less than or equal to a blank, where bytes above 127 are negative. */
function stripSigned(piece: string): string {
  let end = piece.length;
  while (end > 0 && (piece.charCodeAt(end - 1) <= 32 || piece.charCodeAt(end - 1) > 127)) end -= 1;
  return piece.slice(0, end);
}

function stripUnsigned(piece: string): string {
  let end = piece.length;
  while (end > 0 && piece.charCodeAt(end - 1) <= 32) end -= 1;
  return piece.slice(0, end);
}

interface Begin {
  readonly label: string;
  readonly line: number;
}

/**
 * The next line that begins a block. A byte order mark is stripped from the first line of the file, and from the first
 * line after a block.
 */
function findBegin(pieces: Pieces, strip: Strip, ignored: string[]): Begin | undefined {
  for (let isFirst = true; ; isFirst = false) {
    const piece = pieces.next();
    if (piece === undefined) break;
    const line = strip(
      isFirst && piece.startsWith(BYTE_ORDER_MARK) && piece.length > 3 ? piece.slice(3) : piece,
    );
    if (line.startsWith('-----BEGIN ') && line.endsWith('-----')) {
      return { label: line.slice(11, -5), line: pieces.line() };
    }
    if (MEANT.test(line) && ignored.length < MOST_IGNORED)
      ignored.push(...explainNoBegin(line, pieces.line()));
  }
  if (MEANT.test(pieces.rest())) {
    ignored.push(
      `ends for OpenSSL at line ${pieces.line()}, which begins with a NUL byte; what follows is dropped`,
    );
  }
  return undefined;
}

/** A block that somebody has commented out is not reported. */
function explainNoBegin(line: string, number: number): string[] {
  const before = line.slice(0, line.indexOf('-----BEGIN '));
  if (/^\s*(?:#|;|\/\/)/.test(before)) return [];
  const why =
    before === ''
      ? 'does not end with five dashes'
      : before.endsWith(BYTE_ORDER_MARK)
        ? 'has a byte order mark before it'
        : before.trim() === ''
          ? 'is indented'
          : 'does not stand at the beginning of its line';
  return [
    `has a BEGIN in line ${number} that OpenSSL does not see, because it ${why}; that block is not loaded`,
  ];
}

type Read =
  | { readonly ok: true; readonly value: PemBlock; readonly restDropped: boolean }
  | { readonly ok: false; readonly problem: string };

/** The rest of a block: headers, if a blank line ends them, and the base64. */
function readBlock(pieces: Pieces, strip: Strip, { label, line }: Begin): Read {
  let state: 'maybe_header' | 'in_header' | 'after_blank_line' = 'maybe_header';
  let before = '';
  let after = '';
  let isPart = false;
  let isShort = false;
  for (;;) {
    const piece = pieces.next();
    if (piece === undefined) return broken('has no END line; the file looks half-written');
    const continues = isPart;
    isPart = piece.length === LONGEST_PIECE && !piece.endsWith('\n');
    if (state === 'maybe_header' && piece.includes(':')) state = 'in_header';
    const text = strip(piece);
    if (text === '') {
      // the line end of a line that was read in pieces is not a blank line
      if (continues) continue;
      if (state === 'after_blank_line') return broken('has a blank line in it');
      state = 'after_blank_line';
      continue;
    }
    if (text.startsWith('-----END ')) {
      if (text !== `-----END ${label}-----`) {
        return broken(`is not closed by its END line but by line ${pieces.line()}`);
      }
      break;
    }
    if (isShort)
      return broken('has a blank line before its base64, which then has to come in lines of 64 characters');
    if (state !== 'after_blank_line') {
      before += `${text}\n`;
      continue;
    }
    after += `${text}\n`;
    if (text.length > 64)
      return broken('has a blank line before its base64, which then has to come in lines of 64 characters');
    isShort = text.length < 64;
  }
  const [header, body] = state === 'maybe_header' ? ['', before] : [before, after];
  return decode({ label, line }, header, body);
}

/** OpenSSL stops at a dash; otherwise it requires complete groups of four, and nothing that is not base64. */
function decode({ label, line }: Begin, header: string, body: string): Read {
  const dash = body.indexOf('-');
  const base64 = (dash < 0 ? body : body.slice(0, dash)).replace(/[ \t\r\n]/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64) || base64.length % 4 !== 0) return broken('is not valid base64');
  if (base64 === '') return broken('has nothing in it');
  const encrypted = ENCRYPTION.test(header) || label === 'ENCRYPTED PRIVATE KEY';
  return { ok: true, value: { label, line, base64, header, encrypted }, restDropped: dash >= 0 };
}

function broken(problem: string): Read {
  return { ok: false, problem };
}

/**
 * Why OpenSSL does not accept this block as the type that its label names; undefined if it does. It knows no headers
 * except those of encryption, and a broker cannot be asked for a passphrase.
 */
export function headerProblem({ header, encrypted }: PemBlock): string | undefined {
  if (encrypted) return 'is encrypted with a passphrase';
  if (header === '') return undefined;
  const areHeaders = header
    .trimEnd()
    .split('\n')
    .every((line) => HEADER_LINE.test(line));
  return areHeaders ? 'has headers but is not encrypted' : 'has a blank line in it';
}

const ESCAPED = 'its line ends are written as a backslash and an n; write real line ends';

function explainBlock(label: string, name: string, problem: string): string {
  return label.includes('\\n') ? `is one long line: ${ESCAPED}` : `${name} ${problem}`;
}

/** Why a file contains no PEM block at all, as far as its bytes (one per character) show. */
export function explainNoPem(latin1: string): string {
  if (latin1.startsWith('\x30\x82') || latin1.startsWith('\x30\x81')) {
    return 'it looks like DER; convert it with openssl x509 -inform der -outform pem';
  }
  if (latin1.startsWith('\xFF\xFE') || latin1.startsWith('\xFE\xFF')) {
    return 'it looks like UTF-16; save it as plain text';
  }
  if (latin1.startsWith('\0')) return 'it begins with a NUL byte, where OpenSSL takes it for ended';
  if (/-----BEGIN [^-\n]*-----\\[nr]/.test(latin1)) return ESCAPED;
  if (/-----BEGIN [^-\r\n]*-----\r(?!\n)/.test(latin1)) {
    return 'its lines end with carriage returns alone; write real line ends';
  }
  if (/-----BEGIN [^-\n]*-----[ \t]*[A-Za-z0-9+/]/.test(latin1)) {
    return 'it is all on one line; the BEGIN line, the base64 and the END line need lines of their own';
  }
  const [before] = /^.*?(?=-----BEGIN )/m.exec(latin1) ?? [];
  if (before?.endsWith(BYTE_ORDER_MARK)) {
    return 'a byte order mark stands before its BEGIN line, and not at the beginning of the file; remove it';
  }
  if (before !== undefined && before !== '' && before.trim() === '') {
    return 'its BEGIN line is indented; remove the leading white space';
  }
  if (before === '') return 'its BEGIN line does not end with five dashes';
  return 'no line begins with -----BEGIN';
}
