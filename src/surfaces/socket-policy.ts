/** The calls that a socket proxy has to let through, as the configuration of HAProxy and as JSON. */

import type { EngineCall } from '../core/engine-calls.ts';
import type { EngineEndpoint } from '../core/settings.ts';

const USUAL_PORT = 2375;
const USUAL_SOCKET = '/var/run/docker.sock';

/**
 * A complete configuration of HAProxy in front of the engine that the settings name. With a `DOCKER_HOST` on TCP
 * that is the usual socket: what the watcher reaches over TCP is the proxy itself, or will be.
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
    bind :${engine.kind === 'tcp' ? engine.port : USUAL_PORT}
${calls.map(rules).join('')}    http-request deny
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

function backend(engine: EngineEndpoint): string {
  if (engine.kind === 'unix') return `    server engine unix@${word(engine.path)}\n`;
  return `    # DOCKER_HOST is this proxy: if the engine has another socket, it has to be named here
    server engine unix@${USUAL_SOCKET}\n`;
}

/** As one word, also with blanks or signs in it that mean something to HAProxy. */
function word(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** One object on one line, for whoever configures another proxy. */
export function policyJson(calls: readonly EngineCall[]): string {
  const plain = calls.map(({ caution, why, ...call }) => {
    return { ...call, why: caution === undefined ? why : `${why}; ${caution}` };
  });
  return `${JSON.stringify({ calls: plain })}\n`;
}
