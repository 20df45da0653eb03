import { once } from 'node:events';
import { createServer, METHODS } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createRequestReader, LONGEST_HEAD, type Question } from '../../../src/surfaces/web/request.ts';
import { MEASURED } from '../../support/measured.ts';
import { processorMsOf } from '../../support/processor-time.ts';

/** What a reader makes of these pieces; the rest of them is left once it has made up its mind. */
function read(...pieces: readonly (string | Buffer)[]): Question | undefined {
  const reader = createRequestReader();
  for (const piece of pieces) {
    const question = reader.take(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
    if (question !== undefined) return question;
  }
  return undefined;
}

/** Of a request that is understood. */
function request(...pieces: readonly string[]) {
  const question = read(...pieces);
  if (question?.kind !== 'request') throw new Error(`no request: ${JSON.stringify(question)}`);
  return question.request;
}

function status(...pieces: readonly (string | Buffer)[]) {
  const question = read(...pieces);
  return question?.kind === 'refused' ? question.status : question?.kind;
}

const GET = 'GET /metrics HTTP/1.1\r\nHost: x\r\nIf-None-Match: "1"\r\n\r\n';

describe('a request', () => {
  it('is read with what matters here', () => {
    expect(request(GET)).toEqual({ method: 'GET', path: '/metrics', ifNoneMatch: '"1"' });
  });

  it('is read with the user and password that it brings', () => {
    const withUser = GET.replace('\r\n', '\r\nauthorization:  Basic YTpi \r\n');
    expect(request(withUser)).toEqual({ ...request(GET), authorization: 'Basic YTpi' });
  });

  it('may come in any pieces', () => {
    for (let cut = 1; cut < GET.length; cut++) {
      expect(request(GET.slice(0, cut), GET.slice(cut))).toEqual(request(GET));
    }
    expect(request(...GET)).toEqual(request(GET));
  });

  it('ends with its empty line, whatever stands behind it', () => {
    expect(request(`${GET}HEAD /other HTTP/1.1\r\n\r\n`)).toEqual(request(GET));
    expect(request(`${GET}${'\0'.repeat(100_000)}`)).toEqual(request(GET));
  });

  it('may have empty lines before it', () => {
    expect(request('\r\n', `\r\n${GET}`)).toEqual(request(GET));
  });

  it.each([
    ['/metrics?a=b', '/metrics'],
    ['/?', '/'],
    ['http://gateway:9090/metrics', '/metrics'],
    ['HTTPS://gateway', '/'],
    ['http://gateway?a', '/'],
    ['*', '*'],
    ['//metrics', '//metrics'],
    ['/http://gateway/metrics', '/http://gateway/metrics'],
  ])('for %s is one for %s', (target, path) => {
    expect(request(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`).path).toBe(path);
  });

  it('may be for a tunnel, or of a method that does not exist: there is an answer to that', () => {
    expect(request('CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n')).toMatchObject({ method: 'CONNECT' });
    expect(request('BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n')).toMatchObject({ method: 'BREW' });
  });

  it('may give its entity tags in several headers', () => {
    const head = 'GET / HTTP/1.0\r\nIF-NONE-MATCH: "1"\r\nif-none-match:\t"2" , W/"3"\r\n\r\n';
    expect(request(head).ifNoneMatch).toBe('"1", "2" , W/"3"');
  });

  it('needs no host in HTTP/1.0', () => {
    expect(request('GET / HTTP/1.0\r\n\r\n').path).toBe('/');
  });
});

describe('refused is', () => {
  it.each([
    ['a TLS handshake, at its first byte', Buffer.from([0x16])],
    ['a zero byte', Buffer.from([0])],
    ['a greeting of SSH', 'SSH-2.0-x\r\n'],
    ['a request line alone, as in HTTP/0.9', 'GET /\r\n'],
    ['a line that ends with a line feed alone', 'GET / HTTP/1.1\n'],
    ['a target with a space in it', 'GET /a b HTTP/1.1\r\n'],
    ['a target that is no ASCII', 'GET /ä HTTP/1.1\r\n'],
    ['a method without end', `${'A'.repeat(100)} / HTTP/1.1\r\n`],
    ['a target that is no path', 'GET metrics HTTP/1.1\r\n'],
    ['a target of another scheme', 'GET ftp://x/ HTTP/1.1\r\n'],
    ['no target', 'GET  HTTP/1.1\r\n'],
    ['a line that is no header', 'GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n'],
    ['a header with a space before its colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n'],
    ['a header that goes on in the next line', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n'],
    ['a control character in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n'],
    ['a carriage return in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n'],
    ['HTTP/1.1 without a host', 'GET / HTTP/1.1\r\n\r\n'],
    [
      'a second user and password',
      'GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\nAuthorization: Basic YTpj\r\n\r\n',
    ],
    ['a second host', 'GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n'],
  ])('%s', (_what, bytes) => {
    expect(status(bytes)).toBe(400);
  });

  it.each(['PRI * HTTP/2.0\r\n', 'GET / HTTP/3.0\r\n', 'GET / HTTP/1.2\r\n', 'GET / HTTP/0.9\r\n'])(
    'another version: %j',
    (line) => {
      expect(status(line)).toBe(505);
    },
  );

  it.each([
    ['request line', 'GET /'],
    ['header', 'GET / HTTP/1.1\r\nHost: x\r\nA: '],
  ])('a %s without end, as soon as it is too long', (_what, begin) => {
    const whole = begin.padEnd(LONGEST_HEAD, 'a');
    expect(status(whole)).toBe(431);
    expect(status(...whole)).toBe(431);
    expect(status(whole.slice(0, -1))).toBeUndefined();
  });

  it('anything longer than the longest head, also if it comes in one piece', () => {
    const head = (length: number) => `${'GET / HTTP/1.0\r\nA: '.padEnd(length - 4, 'a')}\r\n\r\n`;
    expect(status(head(LONGEST_HEAD))).toBe('request');
    expect(status(head(LONGEST_HEAD + 1))).toBe(431);
  });

  it('empty lines without end', () => {
    expect(status(...Array.from({ length: LONGEST_HEAD / 2 }, () => '\r\n'))).toBe(431);
  });
});

it(
  'a head of many small pieces is no work: 8 kB a byte at a time takes no longer than a blink',
  MEASURED,
  () => {
    const head = 'GET / HTTP/1.0\r\nA: '.padEnd(LONGEST_HEAD - 1, ' ');
    const ms = processorMsOf(() => expect(status(...head)).toBeUndefined());
    expect(ms).toBeLessThan(500);
  },
);

/** What Node's own parser makes of the same bytes: the reference for what may be taken. */
async function startReference() {
  const server = createServer((incoming, response) => {
    // in a header, as there is no body for HEAD
    response.setHeader('X-Seen', `${incoming.method} ${incoming.url}`).end();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return async (bytes: Buffer): Promise<string | undefined> => {
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.on('close', resolve));
    return /^HTTP\/1.1 200 .*^X-Seen: ([^\r]*)\r/ms.exec(answer)?.[1];
  };
}

/** Heads that are right in most places. */
const heads = fc
  .record({
    line: fc.oneof(
      { weight: 4, arbitrary: fc.constant('GET /a HTTP/1.1') },
      fc
        .tuple(
          fc.constantFrom('GET', 'HEAD', 'get', 'OPTIONS', 'G\tT', ''),
          fc.constantFrom('/', '*', '/a?b', 'http://x/y', '/ä', 'x', '/\x7f', ''),
          fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.10', ''),
        )
        .map((parts) => parts.join(' ')),
    ),
    fields: fc.array(
      fc.tuple(
        fc.constantFrom('Host', 'host', 'A', 'If-None-Match', 'B ', '', 'Ü', 'C\0', ' D'),
        fc.constantFrom(':', ': ', ':\t', ' : ', '', '::'),
        fc.constantFrom('x', '', '"1"', '\x01', 'ä', 'a\rb', '\x7f', ' x '),
      ),
      { maxLength: 4 },
    ),
    ends: fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r'),
  })
  .map(({ line, fields, ends }) =>
    Buffer.from(
      `${line}${ends}Host: h${ends}${fields.map((field) => `${field.join('')}${ends}`).join('')}${ends}`,
      'latin1',
    ),
  );

it('what Node.js itself would refuse is refused, and what it takes means the same', async () => {
  const reference = await startReference();
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(heads, async (bytes) => {
      const question = read(bytes);
      if (question?.kind !== 'request' || !METHODS.includes(question.request.method)) return;
      const { method, path } = question.request;
      const theirs = await reference(bytes);
      compared++;
      expect(theirs?.replace(/\?.*/, '').replace('http://x', '')).toBe(`${method} ${path}`);
    }),
    { numRuns: 3_000 },
  );
  expect(compared).toBeGreaterThan(200);
});
