/** The flags of `fleet`: it needs no settings, because it runs where no gateway is. */

import { brokerUrl } from '../config/parsers.ts';
import { shown } from '../config/shown.ts';
import type { BrokerUrl } from '../core/model/settings.ts';

export interface FleetArguments {
  readonly url: BrokerUrl;
  /** STATUS_TOPIC of all gateways, with `+` for the levels that differ */
  readonly topic: string;
  readonly json: boolean;
  readonly watch: boolean;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly credentialsFile: string | undefined;
}

/** Those of `fleet` as they are written. */
interface Values {
  readonly url?: string | undefined;
  readonly topic?: string | undefined;
  readonly json?: boolean | undefined;
  readonly watch?: boolean | undefined;
  readonly 'ca-file'?: string | undefined;
  readonly 'cert-file'?: string | undefined;
  readonly 'key-file'?: string | undefined;
  readonly 'credentials-file'?: string | undefined;
}

export type ReadFleetArguments =
  | { readonly ok: true; readonly fleet: FleetArguments }
  | { readonly ok: false; readonly problem: string };

const DEFAULT_TOPIC = 'cert-watcher/+';

/** In bytes: what MQTT allows, without the levels that are added. */
const LONGEST_TOPIC = 65_000;

export function readFleetArguments(values: Values): ReadFleetArguments {
  const { url: urlText, topic = DEFAULT_TOPIC, json = false, watch = false } = values;
  if (!urlText) return problem('fleet needs --url mqtts://host:port, the broker that all bridges lead to');
  const url = brokerUrl.parse(urlText);
  if (url === undefined) {
    const accepts = 'mqtt://host:port or mqtts://host:port; user and password stand in --credentials-file';
    return problem(`--url${shown(urlText, brokerUrl)} is not ${accepts}`);
  }
  if (!isTopic(topic)) {
    const accepts =
      'a topic such as cert-watcher/+ ("+" for each level that differs, no "#", no empty level)';
    return problem(`--topic=${JSON.stringify(topic.slice(0, 200))} is not ${accepts}`);
  }
  const [caFile, certFile, keyFile] = [values['ca-file'], values['cert-file'], values['key-file']];
  if ((certFile === undefined) !== (keyFile === undefined)) {
    return problem('--cert-file and --key-file belong together; only one of them is given');
  }
  if (!url.tls && (caFile !== undefined || certFile !== undefined)) {
    return problem('--ca-file, --cert-file and --key-file are for TLS: use --url mqtts://…');
  }
  const credentialsFile = values['credentials-file'];
  return { ok: true, fleet: { url, topic, json, watch, caFile, certFile, keyFile, credentialsFile } };
}

function isTopic(text: string): boolean {
  const isLevel = (level: string) => level === '+' || /^[^+#\p{Cc}]+$/u.test(level);
  return Buffer.byteLength(text) <= LONGEST_TOPIC && text.split('/').every(isLevel);
}

function problem(text: string): ReadFleetArguments {
  return { ok: false, problem: text };
}
