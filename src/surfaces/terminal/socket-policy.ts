/** The calls that a socket proxy has to allow, as an HAProxy configuration and as JSON. */

import type { EngineCall } from '../../core/engine/calls.ts';
import { type EngineEndpoint, isTls } from '../../core/model/settings.ts';

const USUAL_PORT = 2375;
const USUAL_SOCKET = '/var/run/docker.sock';

/**
 * A complete HAProxy configuration for the engine that the settings name. If `DOCKER_HOST` is a TCP address, the engine
 * is assumed at its usual socket: what the watcher reaches over TCP is, or will be, the proxy itself.
 */
export function haproxyConfiguration(calls: readonly EngineCall[], engine: EngineEndpoint): string {
  return `# Lets the ${calls.length} calls that mosquitto-cert-watcher makes with its settings through to the engine, and refuses everything
# else with 403. Written by \`mosquitto-cert-watcher socket-policy\`; have it written again when the settings change.

global
    log stdout format raw local0 notice

defaults
    mode http
    log global
    timeout connect 5s
    timeout client 10m
    # longer than the broker may take to stop: the engine answers a restart when it is done
    timeout server 10m

frontend calls
    # as in the DOCKER_HOST of the watcher: tcp://, the name of this proxy, and this port
${bind(engine)}${calls.map(rules).join('')}    http-request deny
    default_backend engine

backend engine
${backend(engine)}`;
}

function rules({ method, path, query, why, caution }: EngineCall): string {
  const condition = `{ method ${method} } { path_reg ${path} }`;
  const comments = [why, ...(caution === undefined ? [] : [caution])]
    .map((text) => `    # ${text}\n`)
    .join('');
  if (query === undefined) return `${comments}    http-request allow if ${condition}\n`;
  return `${comments}    http-request del-header content-type if ${condition}
    http-request allow if ${condition} { query -m reg ${query} }
`;
}

/** With TLS, as for the engine itself: a client needs a certificate of this CA. */
function bind(engine: EngineEndpoint): string {
  const port = `    bind :${engine.kind === 'tcp' ? engine.port : USUAL_PORT}`;
  if (!isTls(engine)) return `${port}\n`;
  return `    # DOCKER_TLS_VERIFY: the certificate of this proxy with its key, and the CA that has issued the watcher's cert.pem
${port} ssl crt /usr/local/etc/haproxy/proxy.pem ca-file /usr/local/etc/haproxy/ca.pem verify required
`;
}

function backend(engine: EngineEndpoint): string {
  if (engine.kind === 'unix') return `    server engine unix@${word(engine.path)}\n`;
  return `    # DOCKER_HOST is this proxy: if the engine has another socket, it has to be named here
    server engine unix@${USUAL_SOCKET}\n`;
}

/** Quoted as one word, even with blanks or characters that are special to HAProxy. */
function word(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** One object on one line, for configuring another proxy. */
export function policyJson(calls: readonly EngineCall[]): string {
  const plain = calls.map(({ caution, why, ...call }) => {
    return { ...call, why: caution === undefined ? why : `${why}; ${caution}` };
  });
  return `${JSON.stringify({ calls: plain })}\n`;
}
