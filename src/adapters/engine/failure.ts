/** Failures of a conversation with the engine, for people. */

import type { EngineCause, EngineFailure } from '../../core/model/broker.ts';

/** What to try if TLS is used. */
export const TLS_HINT =
  'that port expects TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the directory with ca.pem, cert.pem and key.pem';

/** A failure with the hint of its cause. */
export function failure(cause: EngineCause, problem: string, mayHaveHappened: boolean): EngineFailure {
  return { ok: false, cause, problem, hint: hintOf(cause), mayHaveHappened };
}

/** What to try. */
export function hintOf(cause: EngineCause): string {
  return HINTS[cause];
}

const HINTS: Readonly<Record<EngineCause, string>> = {
  socket_missing: 'start the engine, or check DOCKER_SOCK and that the socket is mounted',
  not_a_socket: 'DOCKER_SOCK is not a socket; docker makes a directory of a mount whose source is missing',
  connection_refused:
    'nothing listens there: start the engine, and mount its socket again if it was replaced',
  permission_denied:
    'run the watcher with the group of the socket (stat -c %g), or let the proxy allow the call',
  unreachable: 'check DOCKER_HOST, name resolution and the network',
  tls_failed: 'check DOCKER_CERT_PATH, and that DOCKER_HOST names the TLS port of the engine',
  container_missing:
    'check MOSQUITTO_CONTAINER (a name in full, or 12 digits of an id); the watcher waits for the container to appear',
  call_refused:
    'see what the engine says; a socket proxy has to allow what mosquitto-cert-watcher socket-policy lists',
  engine_error: "see the engine's own log",
  timeout: 'the engine is overloaded or stuck: see its log',
  connection_lost: 'the engine closed the connection: see its log',
  bad_answer: 'check that a Docker Engine or Podman API listens there',
  not_a_manager: 'run the watcher on a manager node (in a stack: placement constraint node.role == manager)',
  service_missing: 'check MOSQUITTO_SERVICE (docker service ls); the watcher waits for the service to appear',
  unit_missing: 'check MOSQUITTO_UNIT',
  systemctl_missing: 'run the watcher on the host itself',
  out_of_sequence: 'nothing to do: the service is looked at again',
};
