/** Parsers of single settings: text in, value out, undefined if the text is not acceptable. */

import { isIPv6 } from 'node:net';
import { parseDuration } from '../core/duration.ts';
import type { BrokerUrl, EngineEndpoint, HostPort } from '../core/settings.ts';

export interface Parser<T> {
  /** continues "is not …" */
  readonly accepts: string;
  parse(text: string): T | undefined;
  /** The text as it may be shown to people; as it is unless told. */
  show?(text: string): string;
}

/** A Go duration of at least `leastMs` milliseconds. */
export function duration(least: '0' | '10ms'): Parser<number> {
  const leastMs = parseDuration(least) ?? 0;
  return {
    accepts: `a duration such as 300ms, 5s, 1m30s or 1.5h${leastMs > 0 ? `, at least ${least}` : ', 0 or longer'}`,
    parse: (text) => {
      const ms = parseDuration(text);
      return ms !== undefined && ms >= leastMs ? ms : undefined;
    },
  };
}

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** What Go's `strconv.ParseBool` takes. */
export const boolean: Parser<boolean> = {
  accepts: 'true or false (also 1, t, T, 0, f, F)',
  parse: (text) => (TRUE.has(text) ? true : FALSE.has(text) ? false : undefined),
};

export function integer(least: number, most: number): Parser<number> {
  return {
    accepts: `a whole number from ${least} to ${most}`,
    parse: (text) => {
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      return value >= least && value <= most ? value : undefined;
    },
  };
}

export function oneOf<const T extends string>(words: readonly T[]): Parser<T> {
  return { accepts: `one of ${words.join(', ')}`, parse: (text) => words.find((word) => word === text) };
}

export const path: Parser<string> = {
  accepts: 'a path',
  parse: (text) => (text.includes('\0') ? undefined : text),
};

/** Docker's own rule for names; an id is a name too. The engine shows names with a leading slash. */
export const containerName: Parser<string> = {
  accepts: 'the name or id of a container (letters, digits, "_", "." and "-")',
  parse: (text) => /^\/?([a-zA-Z0-9][a-zA-Z0-9_.-]*)$/.exec(text)?.[1],
};

/** One or more, separated by commas; none twice. */
export function list<T>(item: Parser<T>): Parser<readonly T[]> {
  return {
    accepts: `${item.accepts}, or several, none twice, separated by commas`,
    parse: (text) => {
      const values = text.split(',').map((part) => item.parse(part.trim()));
      const good = values.filter((value) => value !== undefined);
      const isUnique = new Set(good.map((value) => JSON.stringify(value))).size === good.length;
      return good.length === values.length && isUnique ? good : undefined;
    },
    ...(item.show && { show: item.show }),
  };
}

/** A label as `docker ps --filter label=…` takes it. */
export const label: Parser<string> = {
  accepts: 'a label: key=value, or key alone',
  parse: (text) => (/^[^\s=\0]+(=[^\0]*)?$/.test(text) ? text : undefined),
};

/** MQTT 3.1.1, 4.7: one level, without wildcards. */
export const topicLevel: Parser<string> = {
  accepts: 'the name of a bridge connection (one level of an MQTT topic: no "/", "+" or "#")',
  parse: (text) => (/^[^/+#\0]+$/.test(text) ? text : undefined),
};

const HOST_NAME = /^[^\s:/@[\]]+$/;

/** A host name or address without port or brackets. */
export const host: Parser<string> = {
  accepts: 'a host name or an address',
  parse: (text) => (HOST_NAME.test(text) || isIPv6(text) ? text : undefined),
};

/** `host:port`, `[v6]:port`, or without the port. */
export function hostPort(defaultPort: number): Parser<HostPort> {
  return {
    accepts: `host:port or [v6]:port; without a port, ${defaultPort} is used`,
    parse: (text) => {
      const parts = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text);
      if (parts === null) return undefined;
      const [, v6, name, portText] = parts;
      const port = portText === undefined ? defaultPort : integer(1, 65_535).parse(portText);
      if (port === undefined) return undefined;
      if (v6 !== undefined) return isIPv6(v6) ? { host: v6, port } : undefined;
      return name !== undefined && HOST_NAME.test(name) ? { host: name, port } : undefined;
    },
  };
}

/** The two forms of `DOCKER_HOST` that need no client of their own. */
export const dockerHost: Parser<EngineEndpoint> = {
  accepts: 'unix:///path/to/socket or tcp://host:port',
  parse: (text) => {
    const unix = /^unix:\/\/(\/.+)$/.exec(text)?.[1];
    if (unix !== undefined) return { kind: 'unix', path: unix };
    const address = hostPort(2375).parse(/^tcp:\/\/(.+?)\/?$/.exec(text)?.[1] ?? '');
    return address && { kind: 'tcp', ...address };
  },
};

const MQTT_PORT = 1883;
const MQTTS_PORT = 8883;

/** Without user and password: an environment is no place for them. */
export const brokerUrl: Parser<BrokerUrl> = {
  accepts:
    'mqtt://host:port or mqtts://host:port (user and password stand in the file BROKER_CREDENTIALS_FILE)',
  parse: (text) => {
    const [, scheme, authority = ''] = /^(mqtts?):\/\/(.+?)\/?$/.exec(text) ?? [];
    if (scheme === undefined) return undefined;
    const tls = scheme === 'mqtts';
    const address = hostPort(tls ? MQTTS_PORT : MQTT_PORT).parse(authority);
    return address && { tls, ...address };
  },
  // somebody who puts a password here all the same must not find it in a log; it may hold any sign, also a comma
  show: (text) => text.replace(/(^|,)(\s*\w+:\/\/)?((?!,\s*\w+:\/\/).)*@/g, '$1$2…@'),
};
