/**
 * The options that have no part in certificates: nothing of them is kept, but a broker that is started with a value that
 * it does not take is down. What each version takes is tried against it (test/e2e/mosquitto-options.test.ts).
 */

import { bridgeOf } from './conf-bridge-options.ts';
import { atoi, wordsOf } from './conf-lines.ts';
import { listenerOf, namedListener } from './conf-listener-options.ts';
import {
  booleanFor,
  type Context,
  type Handler,
  isFirst,
  numberFor,
  numberIn,
  onceFor,
  Stop,
  sinceDialect,
  textFor,
  wordFor,
} from './conf-scope.ts';
import {
  flag,
  mayBeEmpty,
  number,
  ofBridge,
  ofBroker,
  ofListener,
  ofNamedListener,
  ofSecurity,
  oneOf,
  text,
  within,
} from './conf-values.ts';

function perListenerSettings(context: Context): void {
  const { reading, at } = context;
  // 2.1 does not even read a second one
  if (reading.isPerListener && reading.dialect === '2.1') return;
  reading.isPerListener = booleanFor(context);
  if (reading.isPerListener && reading.isSecured)
    throw new Stop(at, 'has per_listener_settings after a line about who may do what');
}

function logDestination(context: Context): void {
  const { reading, line, at } = context;
  const [kind = wordFor(context), ...others] = wordsOf(line.rest);
  if (!['none', 'syslog', 'stdout', 'stderr', 'topic', 'dlt', 'file'].includes(kind))
    throw new Stop(at, `has log_dest ${kind}`);
  if (kind !== 'file') return;
  if (others.length === 0) throw new Stop(at, 'has log_dest file without a file');
  if (!isFirst(reading, reading, 'log_dest file')) throw new Stop(at, 'has a second log_dest file');
}

function clientExpiration(context: Context): void {
  const word = wordFor(context);
  const units = context.reading.dialect === '2.1' ? /[shdwmy]$/ : /[hdwmy]$/;
  if (!units.test(word) || atoi(word) <= 0)
    throw new Stop(context.at, `has persistent_client_expiration ${word}, which is no duration`);
}

/** Of a bridge: one pause, or the shortest and the longest. */
function restartTimeout(context: Context): void {
  bridgeOf(context);
  const { reading, line, at } = context;
  const [least = wordFor(context), most, stable] = wordsOf(line.rest);
  const base = Math.max(1, atoi(least));
  const longest = reading.dialect === '2.1' ? Math.min(base, 3_600) : base;
  if (most !== undefined && atoi(most) < longest)
    throw new Stop(at, `has restart_timeout ${least} ${most}, which ends before it begins`);
  if (reading.dialect === '2.1' && stable !== undefined && atoi(stable) < 0)
    throw new Stop(at, `has restart_timeout with ${stable}, which is negative`);
}

/** Idle time, interval and number of probes of TCP. */
function tcpKeepalive(context: Context): void {
  bridgeOf(context);
  const words = wordsOf(context.line.rest).slice(0, 3);
  if (words.length < 3) throw new Stop(context.at, 'has bridge_tcp_keepalive without its three numbers');
  for (const word of words) within(context, numberIn(context, word), 1, Number.POSITIVE_INFINITY);
}

function mountPoint(context: Context): void {
  const { reading, at } = context;
  if (reading.dialect !== '2.1' && reading.listeners.length === 0)
    throw new Stop(at, 'has mount_point before any listener');
  const owner = ofNamedListener(context);
  const prefix =
    reading.dialect === '2.1' ? textFor(context, undefined) : onceFor(context, owner, 'mount_point');
  if (/[+#]/.test(prefix)) throw new Stop(at, `has mount_point ${prefix}, with a wildcard`);
}

function protocolVersions(context: Context): void {
  const { reading, line, at } = context;
  const listener = namedListener(context, true);
  if (listener === reading.defaultListener) throw new Stop(at, `has ${line.option} before any listener`);
  if ((line.rest ?? '').replace(/[, \t]/g, '') === '')
    throw new Stop(at, `has ${line.option} without a value`);
}

function maxKeepalive(context: Context): void {
  within(context, numberFor(context), context.reading.dialect === '2.0' ? 10 : 0, 0xffff);
}

/** 65,535 is no limit, as a negative number is none. */
function maxInflight(context: Context): void {
  within(context, numberFor(context), Number.NEGATIVE_INFINITY, 0xffff);
}

function retainExpiry(context: Context): void {
  const value = numberFor(context);
  if (context.reading.dialect === '2.1') within(context, value, 1, Number.POSITIVE_INFINITY);
}

function memoryLimit(context: Context): void {
  within(context, atoi(wordFor(context)), 0, Number.POSITIVE_INFINITY);
}

/** As a number without a sign. */
function messageSizeLimit(context: Context): void {
  within(context, numberFor(context) >>> 0, 0, 268_435_455);
}

function password(context: Context): void {
  listenerOf(context);
  const value = textFor(context, undefined);
  if (!/^[\da-f]{40}$/i.test(value)) throw new Stop(context.at, 'has tls_engine_kpass_sha1 that is no SHA-1');
}

/** 2.1 takes no notice of its value any more. */
function dhParameters(context: Context): void {
  if (context.reading.dialect !== '2.1') onceFor(context, listenerOf(context), 'dhparamfile');
}

function sharedKeys(context: Context): void {
  const { reading, scope, at } = context;
  if (reading.dialect === '2.1' && scope.listener?.certfile !== undefined)
    throw new Stop(at, 'has certificates and a shared key for one listener');
  text(ofSecurity, 'since 2.1')(context);
}

/** Of 2.0 in any case a number. */
function listenerCount(context: Context): void {
  listenerOf(context);
  numberFor(context);
}

function topicAliases(context: Context): void {
  if (context.reading.dialect === '2.1') ofNamedListener(context);
  within(context, numberFor(context), 0, 0xffff);
}

/** 2.0 takes it for a line about who may do what. */
function checkRetainSource(context: Context): void {
  if (context.reading.dialect !== '2.1') ofSecurity(context);
  booleanFor(context);
}

/** Whether WebSockets and the HTTP API are built in is not known. */
function protocol(context: Context): void {
  const words =
    context.reading.dialect === '2.1' ? ['mqtt', 'websockets', 'http_api'] : ['mqtt', 'websockets'];
  oneOf(ofListener, words)(context);
}

/** 2.1 reads its value only where it is built with libwebsockets. */
function websocketsLogLevel(context: Context): void {
  if (context.reading.dialect !== '2.1') numberFor(context);
}

const MOST_16_BITS = 0xffff;
const ignored: Handler = () => undefined;
const new21 = (handler: Handler) => sinceDialect('2.1', handler);

/** Those that only a broker with WebSockets knows are taken as well: whether they are built in is not known. */
const LOG_TYPES = [
  ...['none', 'information', 'notice', 'warning', 'error', 'debug'],
  ...['subscribe', 'unsubscribe', 'internal', 'websockets', 'all'],
];

/** By name, in alphabetical order. */
export const OTHER_OPTIONS: readonly (readonly [string, Handler])[] = [
  ['accept_protocol_versions', new21(protocolVersions)],
  ['acl_file', text(ofSecurity, 'since 2.1')],
  ['allow_anonymous', flag(ofSecurity)],
  ['allow_duplicate_messages', flag(ofBroker)],
  ['allow_zero_length_clientid', flag(ofSecurity)],
  ['auto_id_prefix', text(ofSecurity, 'never', 50)],
  ['autosave_interval', number(ofBroker)],
  ['autosave_on_changes', flag(ofBroker)],
  ['bind_interface', text(ofListener)],
  ['bridge_attempt_unsubscribe', flag(ofBridge)],
  ['bridge_bind_address', text(ofBridge)],
  ['bridge_ciphers', new21(text(ofBridge))],
  ['bridge_ciphers_tls1.3', new21(text(ofBridge))],
  ['bridge_max_packet_size', number(ofBridge)],
  ['bridge_max_topic_alias', new21(number(ofBridge, 0, MOST_16_BITS))],
  ['bridge_outgoing_retain', flag(ofBridge)],
  ['bridge_protocol_version', oneOf(ofBridge, ['mqttv31', 'mqttv311', 'mqttv50'], true)],
  ['bridge_receive_maximum', new21(number(ofBridge, 1, MOST_16_BITS))],
  ['bridge_require_ocsp', flag(ofBridge)],
  ['bridge_session_expiry_interval', new21(number(ofBridge, 0))],
  ['bridge_tcp_keepalive', new21(tcpKeepalive)],
  ['bridge_tcp_user_timeout', new21(number(ofBridge, 0))],
  ['check_retain_source', checkRetainSource],
  ['ciphers', text(ofListener, 'since 2.1')],
  ['ciphers_tls1.3', text(ofListener, 'since 2.1')],
  ['cleansession', flag(ofBridge)],
  ['clientid_prefixes', text(ofBroker, 'since 2.1')],
  ['connection_messages', flag(ofBroker)],
  ['dhparamfile', dhParameters],
  ['disable_client_cert_date_checks', new21(flag(ofNamedListener))],
  ['enable_control_api', new21(flag(ofBroker))],
  ['enable_proxy_protocol', new21(number(ofNamedListener, 1, 2))],
  ['global_max_clients', new21(number(ofBroker))],
  ['global_max_connections', new21(number(ofBroker))],
  ['http_dir', text(ofNamedListener)],
  ['idle_timeout', number(ofBridge)],
  ['keepalive_interval', number(ofBridge, Number.NEGATIVE_INFINITY, MOST_16_BITS)],
  ['listener_allow_anonymous', new21(flag(ofNamedListener))],
  ['listener_auto_id_prefix', new21(text(ofNamedListener, 'never', 50))],
  ['local_cleansession', flag(ofBridge)],
  ['local_clientid', text(ofBridge)],
  ['local_password', text(ofBridge)],
  ['local_username', text(ofBridge)],
  ['log_dest', logDestination],
  ['log_facility', number(ofBroker, 0, 7)],
  ['log_timestamp', flag(ofBroker)],
  ['log_timestamp_format', text(ofBroker)],
  ['log_type', mayBeEmpty(oneOf(ofBroker, LOG_TYPES))],
  ['max_connections', mayBeEmpty(listenerCount)],
  ['max_inflight_bytes', number(ofBroker)],
  ['max_inflight_messages', maxInflight],
  ['max_keepalive', maxKeepalive],
  ['max_packet_size', number(ofBroker, 20)],
  ['max_qos', number(ofListener, 0, 2)],
  ['max_queued_bytes', number(ofBroker)],
  ['max_queued_messages', number(ofBroker)],
  ['max_topic_alias', topicAliases],
  ['max_topic_alias_broker', new21(topicAliases)],
  ['maximum_qos', number(ofListener, 0, 2)],
  ['memory_limit', memoryLimit],
  ['message_size_limit', messageSizeLimit],
  ['mount_point', mountPoint],
  ['notification_topic', text(ofBridge)],
  ['packet_buffer_size', new21(number(ofBroker, 0, MOST_16_BITS))],
  ['password', text(ofBridge)],
  ['password_file', text(ofSecurity, 'since 2.1')],
  ['per_listener_settings', perListenerSettings],
  ['persistence', flag(ofBroker)],
  ['persistence_file', text(ofBroker)],
  ['persistence_location', text(ofBroker)],
  ['persistent_client_expiration', mayBeEmpty(clientExpiration)],
  ['pid_file', text(ofBroker)],
  ['protocol', mayBeEmpty(protocol)],
  ['proxy_protocol_v2_require_tls', new21(flag(ofNamedListener))],
  ['psk_file', sharedKeys],
  ['queue_qos0_messages', flag(ofBroker)],
  ['remote_password', text(ofBridge)],
  ['remote_username', text(ofBridge)],
  ['restart_timeout', restartTimeout],
  ['retain_available', flag(ofBroker)],
  ['retain_expiry_interval', sinceDialect('2.0.21', retainExpiry)],
  ['retained_persistence', flag(ofBroker)],
  ['retry_interval', ignored],
  ['round_robin', flag(ofBridge)],
  ['set_tcp_nodelay', flag(ofBroker)],
  ['socket_domain', oneOf(ofListener, ['ipv4', 'ipv6'])],
  ['sys_interval', number(ofBroker, 0, MOST_16_BITS)],
  ['threshold', number(ofBridge)],
  ['tls_engine_kpass_sha1', password],
  ['tls_keyform', text(ofListener, 'always')],
  ['try_private', flag(ofBridge)],
  ['upgrade_outgoing_qos', flag(ofBroker)],
  ['use_identity_as_username', flag(ofListener)],
  ['use_subject_as_username', flag(ofListener)],
  ['use_username_as_clientid', flag(ofListener)],
  ['user', text(ofBroker, 'since 2.1')],
  ['username', text(ofBridge)],
  ['websockets_headers_size', number(ofBroker, 0, MOST_16_BITS)],
  ['websockets_log_level', websocketsLogLevel],
  ['websockets_origin', new21(text(ofNamedListener, 'always'))],
];
