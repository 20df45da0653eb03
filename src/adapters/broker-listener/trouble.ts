/** Why the state of the bridges is unknown, for people. */

import type { BridgeSight } from '../../core/model/bridge.ts';
import type { ConnectionEnd } from '../../system/mqtt/connection.ts';
import { errorLine } from '../../system/openssl-error.ts';

export type Trouble = BridgeSight & { ok: false };

/** Why listening has ended. */
export type ListenerEnd = ConnectionEnd | { readonly kind: 'subscription_refused' };

/** What was requested, and from which broker. */
interface Asked {
  /** the address of the broker, without anything secret */
  readonly where: string;
  readonly topic: string;
  readonly credentialsFile: string | undefined;
}

/** The state is unknown: why, and what to try. */
export function failure(problem: string, hint: string): Trouble {
  return { ok: false, problem, hint };
}

/** CONNACK's return codes, MQTT 3.1.1, table 3.1. */
const LOGIN_REFUSED = new Set([4, 5]);

/** Why a connection has ended, and what to try. */
export function explain(end: ListenerEnd, asked: Asked): Trouble {
  return failure(...reason(end, asked));
}

function reason(end: ListenerEnd, { where, topic, credentialsFile }: Asked): [string, string] {
  switch (end.kind) {
    case 'closed':
      return [`${where} has closed the connection`, 'see the log of the broker'];
    case 'silent':
      return [`${where} ${end.problem}`, 'is it overloaded, and does a broker listen there?'];
    case 'not_mqtt':
      return [
        `${where} cannot be reached: what answers sends ${end.problem}`,
        'check BROKER_URL: the listener has to speak MQTT, with TLS if it is mqtts',
      ];
    case 'subscription_refused':
      return [
        `${where} does not let us read ${topic}`,
        'let the user of BROKER_CREDENTIALS_FILE read $SYS/# (topic read $SYS/# in the acl_file)',
      ];
    case 'login_refused': {
      if (!LOGIN_REFUSED.has(end.code)) {
        return [`${where} refuses the connection (return code ${end.code})`, 'see the log of the broker'];
      }
      const hint =
        credentialsFile === undefined
          ? 'give a user in BROKER_CREDENTIALS_FILE, or allow anonymous clients at this listener'
          : `check user and password in ${credentialsFile}`;
      return [`${where} refuses the login`, hint];
    }
    case 'failed': {
      const what = errorLine(end.error);
      if (/certificate|altname|self.signed|cert_/i.test(what)) {
        const hint =
          'is BROKER_CA_FILE the CA of the listener, and its certificate for the host in BROKER_URL?';
        return [`${where} cannot be trusted: ${what}`, hint];
      }
      return [`${where} cannot be reached: ${what}`, 'check BROKER_URL, and that the broker listens there'];
    }
  }
}
