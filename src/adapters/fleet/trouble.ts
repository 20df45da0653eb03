/** Why a fleet cannot be read, for people. */

import type { BrokerUrl } from '../../core/model/settings.ts';
import { hostPort } from '../../core/text/address.ts';
import { errorLine } from '../../system/openssl-error.ts';
import type { FleetEnd } from './reader.ts';

export interface FleetTrouble {
  readonly problem: string;
  readonly hint: string;
}

/** `mqtts://broker:8883`, without anything secret. */
export function shownUrl(url: BrokerUrl): string {
  return `${url.tls ? 'mqtts' : 'mqtt'}://${hostPort(url)}`;
}

/** CONNACK's return codes, MQTT 3.1.1, table 3.1. */
const LOGIN_REFUSED = [4, 5];

/** Why the connection has ended, and what to try. */
export function explainEnd(end: FleetEnd, url: BrokerUrl, topic: string): FleetTrouble {
  const where = shownUrl(url);
  switch (end.kind) {
    case 'closed':
      return { problem: `${where} has closed the connection`, hint: closedHint(url) };
    case 'silent':
      return {
        problem: `${where} ${end.problem}`,
        hint: 'is it overloaded, and does a broker listen there?',
      };
    case 'not_mqtt':
      return {
        problem: `${where} cannot be reached: what answers sends ${end.problem}`,
        hint: 'check --url: the listener has to speak MQTT, with TLS if it is mqtts',
      };
    case 'subscription_refused':
      return {
        problem: `${where} does not let us read ${topic}`,
        hint: `let this user read ${topic}/state and ${topic}/availability (acl_file of the broker)`,
      };
    case 'login_refused':
      return LOGIN_REFUSED.includes(end.code)
        ? {
            problem: `${where} refuses the login`,
            hint: 'check user and password in --credentials-file, or the certificate in --cert-file',
          }
        : {
            problem: `${where} refuses the connection (return code ${end.code})`,
            hint: 'see the log of the broker',
          };
    case 'failed':
      return failed(end.error, where, url);
  }
}

function failed(error: Error, where: string, url: BrokerUrl): FleetTrouble {
  const what = errorLine(error);
  if (/alert/i.test(what)) {
    return {
      problem: `${where} has ended the handshake: ${what}`,
      hint: 'does it accept the certificate in --cert-file, or need one?',
    };
  }
  if (/certificate|altname|self.signed|cert_/i.test(what)) {
    return {
      problem: `${where} cannot be trusted: ${what}`,
      hint: 'is --ca-file the CA of the listener, and its certificate for the host in --url?',
    };
  }
  if (/wrong version number|packet length too long|unexpected.*eof|ECONNRESET/i.test(what) && url.tls) {
    return {
      problem: `${where} has ended the handshake: ${what}`,
      hint: 'does the listener have TLS? if not, use mqtt://',
    };
  }
  return {
    problem: `${where} cannot be reached: ${what}`,
    hint: 'check --url, and that the broker listens there',
  };
}

/** A listener with TLS hangs up on a client that does not speak it. */
function closedHint({ tls }: BrokerUrl): string {
  return tls
    ? 'see the log of the broker: it may require a client certificate (--cert-file, --key-file)'
    : 'see the log of the broker; where the listener has TLS, use mqtts://';
}
