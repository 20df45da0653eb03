/** Addresses that are secrets, because anybody who knows one can post there. Determines which parts may be shown. */

/** Longer ones are a mistake: servers refuse them (RFC 9110, 4.1, asks for 8,000 bytes). */
const LONGEST_URL = 8_000;

/** Shorter parts of a path or query are words, not secrets, and would be blanked out in every text. */
const SHORTEST_SECRET = 4;

/** Words that occur in every address of its kind. */
const PLAIN_WORDS = new Set(['http', 'https', 'services', 'webhook', 'webhooks', 'hooks', 'alerts', 'ping']);

/** The address in this text if it is `http(s)://host…`, else undefined. */
export function parseHttpUrl(text: string): URL | undefined {
  if (text.length > LONGEST_URL || !/^https?:\/\/[^/\s\p{Cc}][^\s\p{Cc}]*$/iu.test(text)) return undefined;
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** Scheme, host and port: `https://hooks.example.com/…`. */
export function shownUrl(url: URL): string {
  const isWhole = url.pathname === '/' && url.search === '' && url.hash === '';
  return `${url.protocol}//${url.host}${isWhole ? '' : '/…'}`;
}

/** A foreign text without the secret parts of this address, which servers and libraries often repeat. */
export function withoutUrl(text: string, url: URL): string {
  return secretsOf(url).reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}

/** Longest first: a part must not be removed from a secret that has to be removed as a whole. */
function secretsOf({ pathname, search, hash, username, password }: URL): readonly string[] {
  const parts = [
    pathname,
    search,
    hash,
    username,
    password,
    ...pathname.split('/'),
    ...search.split(/[?&=]/),
    ...hash.split(/[#/]/),
  ];
  const spellings = parts.flatMap((part) => [part, decoded(part)]);
  const secrets = spellings.filter((part) => part.length >= SHORTEST_SECRET && !PLAIN_WORDS.has(part));
  return [...new Set(secrets)].toSorted((a, b) => b.length - a.length);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // a lone percent sign: it is taken literally
    return part;
  }
}
