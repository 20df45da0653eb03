/** Parsers of single settings: text in, value out, undefined if the text is not acceptable. */

import { isIPv6 } from 'node:net';
import { LONGEST_BRIDGE_NAME } from '../core/model/bridge.ts';
import { isTimeZone, type WindowRule } from '../core/model/calendar.ts';
import type { BrokerUrl, BrokerUser, EngineEndpoint, HostPort } from '../core/model/settings.ts';
import { serviceName } from '../core/model/unit.ts';
import { parseDuration } from '../core/text/duration.ts';
import { cut } from '../core/text/printable.ts';
import { parseRestartWindow } from '../core/text/restart-window.ts';
import { parseHttpUrl } from '../system/secret-url.ts';

export interface Parser<T> {
  /** continues "is not …" */
  readonly accepts: string;
  parse(text: string): T | undefined;
  /** what exactly is wrong with a text that is not acceptable, in a clause */
  explain?(text: string): string | undefined;
  /** A text of this kind may contain a user and a password, or a token, which no error message may show. */
  readonly isAddress?: true;
  /** Nothing of such a text may be shown. */
  readonly isSecret?: true;
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

/** What Go's `strconv.ParseBool` accepts. */
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

/** A service of systemd, by its full name. */
export const serviceUnit: Parser<string> = {
  accepts: 'the name of a systemd service such as mosquitto.service or mosquitto@edge.service',
  parse: serviceName,
};

/** On if set, to any value: the docker CLI treats its `DOCKER_TLS_VERIFY` that way, even if it is 0 or false. */
export const presence: Parser<true> = { accepts: 'any value', parse: () => true };

export const path: Parser<string> = {
  accepts: 'a path',
  parse: (text) => (text.includes('\0') ? undefined : text),
};

/** Two absolute paths, as in a volume of Docker. */
export const pathPair: Parser<readonly [from: string, to: string]> = {
  accepts: 'two absolute paths with a colon between them: /mosquitto/certs:/certs',
  parse: (text) => {
    const [, from, to] = /^(\/[^:\0]*):(\/[^:\0]*)$/.exec(text) ?? [];
    return from === undefined || to === undefined ? undefined : [from, to];
  },
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
    ...(item.isAddress && { isAddress: item.isAddress }),
  };
}

const LONGEST_CLAUSE = 200;

/** See `core/text/restart-window.ts`. */
export const restartWindow: Parser<readonly WindowRule[]> = {
  accepts: 'windows such as Mon-Fri 02:00-04:00, Sat,Sun 00:00-06:00',
  parse: (text) => {
    const parsed = parseRestartWindow(text);
    return parsed.ok ? parsed.rules : undefined;
  },
  explain: (text) => {
    const parsed = parseRestartWindow(text);
    // an address that was entered here by mistake may contain a password
    return parsed.ok || /@|:\/\//.test(text) ? undefined : cut(parsed.problem, LONGEST_CLAUSE);
  },
};

/** Time zones known to this program's own data, regardless of the machine's. */
export const timeZone: Parser<string> = {
  accepts: 'the IANA name of a time zone, such as Europe/Berlin',
  parse: (text) => (isTimeZone(text) ? text : undefined),
};

/** A label in the form that `docker ps --filter label=…` accepts. */
export const label: Parser<string> = {
  accepts: 'a label: key=value, or key alone',
  parse: (text) => (/^[^\s=\0]+(=[^\0]*)?$/.test(text) ? text : undefined),
};

/** MQTT 3.1.1, 4.7: one level, without wildcards; longer names that a broker sends are not stored. */
export const topicLevel: Parser<string> = {
  accepts: `the name of a bridge connection (one level of an MQTT topic: no "/", "+" or "#"; at most ${LONGEST_BRIDGE_NAME} bytes)`,
  parse: (text) =>
    /^[^/+#\0]+$/.test(text) && Buffer.byteLength(text) <= LONGEST_BRIDGE_NAME ? text : undefined,
};

/** In bytes; the broker's own limit is 64 kB, and that of Home Assistant's topics is no less. */
const LONGEST_TOPIC = 200;

/** MQTT 3.1.1, 4.7: one or more levels, none of them empty, without wildcards, and not one of the broker's own. */
export const topic: Parser<string> = {
  accepts: `an MQTT topic such as cert-watcher/edge-1 (no "+" or "#", no empty level, no "$" at the beginning; at most ${LONGEST_TOPIC} bytes)`,
  parse: (text) =>
    /^[^/+#$\p{Cc}][^/+#\p{Cc}]*(?:\/[^/+#\p{Cc}]+)*$/u.test(text) && Buffer.byteLength(text) <= LONGEST_TOPIC
      ? text
      : undefined,
};

/**
 * Letters of any script: a resolver knows more names than DNS. None of the characters that are special in an address.
 */
const HOST_NAME = /^[\p{L}\p{N}\p{M}._-]+$/u;

/** A host name or address without port or brackets. */
export const host: Parser<string> = {
  accepts: 'a host name or an address',
  isAddress: true,
  parse: (text) => (HOST_NAME.test(text) || isIPv6(text) ? text : undefined),
};

/** `host:port`, `[v6]:port`, or without the port. */
export function hostPort(defaultPort: number): Parser<HostPort> {
  return {
    accepts: `host:port or [v6]:port; without a port, ${defaultPort} is used`,
    isAddress: true,
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

/** The two forms of `DOCKER_HOST` that need no special client. */
export const dockerHost: Parser<EngineEndpoint> = {
  accepts: 'unix:///path/to/socket or tcp://host:port',
  isAddress: true,
  parse: (text) => {
    const unix = /^unix:\/\/(\/.+)$/.exec(text)?.[1];
    if (unix !== undefined) return { kind: 'unix', path: unix };
    const address = hostPort(2375).parse(/^tcp:\/\/(.+?)\/?$/.exec(text)?.[1] ?? '');
    return address && { kind: 'tcp', ...address };
  },
};

/** RFC 7301, 3.1: 1 to 255 bytes; Mosquitto takes one name, and a blank would end it. */
export const alpn: Parser<string> = {
  accepts: 'the name of one protocol: 1 to 255 visible ASCII characters, no comma',
  parse: (text) => (/^[!-+\--~]{1,255}$/.test(text) ? text : undefined),
};

/** The largest id: 2^32 - 1 means none (chown(2)). */
const MOST_ID = 0xff_ff_ff_fe;

/**
 * A user by number: names of the broker's system mean nothing here. Without a group, the one of the same number, as
 * images make them.
 */
export const brokerUser: Parser<BrokerUser> = {
  accepts: 'uid or uid:gid, both numbers, as id -u and id -g print them',
  parse: (text) => {
    const [, user, group = user] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
    const [uid, gid] = [user, group].map((id) => integer(0, MOST_ID).parse(id ?? ''));
    return uid === undefined || gid === undefined ? undefined : { uid, gid };
  },
};

const MQTT_PORT = 1883;
const MQTTS_PORT = 8883;

/** Without user and password: they do not belong in an environment. */
export const brokerUrl: Parser<BrokerUrl> = {
  accepts:
    'mqtt://host:port or mqtts://host:port (user and password stand in the file BROKER_CREDENTIALS_FILE)',
  isAddress: true,
  parse: (text) => {
    const [, scheme, authority = ''] = /^(mqtts?):\/\/(.+?)\/?$/.exec(text) ?? [];
    if (scheme === undefined) return undefined;
    const tls = scheme === 'mqtts';
    const address = hostPort(tls ? MQTTS_PORT : MQTT_PORT).parse(authority);
    return address && { tls, ...address };
  },
};

/** Anybody who knows such an address can post there, or silence the alarm. */
export const secretUrl: Parser<string> = {
  accepts: 'http://… or https://… (what it is set to is a secret, and not shown)',
  isSecret: true,
  parse: (text) => parseHttpUrl(text)?.href,
};

/** If somebody enters the address itself here, it must not appear in a log. */
export const secretPath: Parser<string> = {
  accepts: 'a path (an address belongs into the setting without _FILE; what this one is set to is not shown)',
  isSecret: true,
  parse: (text) => (text.includes('://') ? undefined : path.parse(text)),
};
