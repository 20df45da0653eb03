/**
 * Reads one HTTP request from the bytes of a connection: its head, up to a limit, and nothing after it. Not more
 * lenient than the parser of Node.js (llhttp), except for unknown methods: they are read, so that they can be refused.
 */

export interface HttpRequest {
  readonly method: string;
  /** of the target, as sent; without the query, and without scheme and host if the client sent them */
  readonly path: string;
  /** the whole list, from all headers of this name */
  readonly ifNoneMatch: string | undefined;
  readonly authorization: string | undefined;
}

/** The parsed request, or what to answer instead. */
export type Question =
  | { readonly kind: 'request'; readonly request: HttpRequest }
  | { readonly kind: 'refused'; readonly status: number; readonly why: string };

export interface RequestReader {
  /** The result of all bytes so far; undefined if more are needed. Not to be called again after a result. */
  take(chunk: Buffer): Question | undefined;
}

/** The longest head of a request, its last empty line included, in bytes. */
export const LONGEST_HEAD = 8 * 1_024;

const CR = 0x0d;
const LF = 0x0a;

/** The characters of a token: RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** No real method is anywhere near as long. */
const LONGEST_METHOD = 32;
/** RFC 9112, section 3. */
const REQUEST_LINE = /^(\S+) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/;
/**
 * A path, the whole server (`*`), or a URL as sent to a proxy; only CONNECT has another form: RFC 9112, section 3.2.
 */
const TARGET = /^(?:\/|\*$|https?:\/\/)/i;
/** The characters allowed in a field value: RFC 9110, section 5.5. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** A server has to understand these too: RFC 9112, section 3.2.2. */
const SCHEME_AND_HOST = /^https?:\/\/[^/?#]*/i;

const NO_HTTP = refused(400, 'this is not an HTTP request');
const TOO_LONG = refused(431, `the head of this request is longer than ${LONGEST_HEAD} bytes`);

/**
 * A reader for one connection. It holds {@link LONGEST_HEAD} bytes at most, and none if the head arrives in one piece.
 */
export function createRequestReader(): RequestReader {
  let kept: Buffer | undefined;
  let length = 0;
  /** where the current line begins, and where the search for its end continues */
  let lineStart = 0;
  let searchFrom = 0;
  /** where the request line begins; undefined while there are only the empty lines that some clients send before it */
  let start: number | undefined;

  /**
   * All bytes so far, as far as they matter. Small pieces are copied together: separately, each costs more than it
   * holds.
   */
  function join(chunk: Buffer): Buffer {
    if (kept === undefined) return chunk.subarray(0, LONGEST_HEAD);
    const copied = chunk.copy(kept, length);
    return kept.subarray(0, length + copied);
  }

  function keep(bytes: Buffer): void {
    length = bytes.length;
    if (kept !== undefined) return;
    kept = Buffer.allocUnsafeSlow(LONGEST_HEAD);
    bytes.copy(kept);
  }

  /** The result of the line that ends here; undefined if more is needed. */
  function endLine(bytes: Buffer, end: number): Question | undefined {
    if (bytes[end - 1] !== CR) return NO_HTTP;
    const isEmpty = end - lineStart === 1;
    if (isEmpty)
      return start === undefined ? undefined : readHead(bytes.toString('latin1', start, lineStart));
    if (start !== undefined) return undefined;
    start = lineStart;
    return refusalOf(bytes.toString('latin1', lineStart, end - 1));
  }

  function take(chunk: Buffer): Question | undefined {
    const bytes = join(chunk);
    for (let end = bytes.indexOf(LF, searchFrom); end !== -1; end = bytes.indexOf(LF, searchFrom)) {
      const question = endLine(bytes, end);
      if (question !== undefined) return question;
      lineStart = end + 1;
      searchFrom = lineStart;
    }
    if (start === undefined && !mayBegin(bytes, lineStart)) return NO_HTTP;
    if (bytes.length === LONGEST_HEAD) return TOO_LONG;
    searchFrom = bytes.length;
    keep(bytes);
    return undefined;
  }

  return { take };
}

function refused(status: number, why: string): Question {
  return { kind: 'refused', status, why };
}

/** Whether a request line may begin like this; if not, there is no need to wait for its end. */
function mayBegin(bytes: Buffer, at: number): boolean {
  const first = bytes[at];
  return first === undefined || first === CR || TOKEN.test(String.fromCharCode(first));
}

/** What is wrong with a request line; undefined if nothing is. */
function refusalOf(line: string): Question | undefined {
  const [, method, target = '', major, minor] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || method.length > LONGEST_METHOD || !TOKEN.test(method)) return NO_HTTP;
  if (major !== '1' || (minor !== '0' && minor !== '1')) {
    return refused(505, 'only HTTP/1.0 and HTTP/1.1 are supported');
  }
  return TARGET.test(target) || method === 'CONNECT' ? undefined : NO_HTTP;
}

/** Parses a head whose request line is valid. */
function readHead(head: string): Question {
  const [line = '', ...fields] = head.slice(0, -2).split('\r\n');
  const [, method = '', target = '', , minor] = REQUEST_LINE.exec(line) ?? [];
  let hosts = 0;
  const ifNoneMatch: string[] = [];
  const authorization: string[] = [];
  for (const field of fields) {
    const colon = field.indexOf(':');
    const [name, value] = [field.slice(0, Math.max(0, colon)), field.slice(colon + 1)];
    if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) return NO_HTTP;
    const lower = name.toLowerCase();
    if (lower === 'host') hosts++;
    if (lower === 'if-none-match') ifNoneMatch.push(value.trim());
    if (lower === 'authorization') authorization.push(value.trim());
  }
  if (hosts > 1 || (hosts === 0 && minor === '1')) return refused(400, 'a request has one Host header');
  if (authorization.length > 1) return refused(400, 'a request has one Authorization header at most');
  const path = target.replace(SCHEME_AND_HOST, '').split(/[?#]/, 1)[0];
  return {
    kind: 'request',
    request: {
      method,
      path: path || '/',
      ifNoneMatch: ifNoneMatch.length === 0 ? undefined : ifNoneMatch.join(', '),
      authorization: authorization[0],
    },
  };
}
