/** What runs the demo's broker and restarts it when the watcher asks: the stand-in or a real engine. */

import type { MqttAddress } from './mqtt-greeting.ts';

/** A restart as the host saw it; the demo counts these and never what the watcher says of itself. */
export interface Restart {
  /** `performance.now()` when the broker had been started again */
  readonly atMs: number;
}

/** What a host is given to live in and to speak with. */
export interface HostOptions {
  /** the directory that the broker reads its certificates from */
  readonly certDir: string;
  /** a directory of the host's own, which the demo removes in the end */
  readonly workDir: string;
  /** something for people to read happened to the broker */
  readonly say: (text: string) => void;
  /** a restart has been done */
  readonly onRestart: () => void;
  /** the demo cannot go on */
  readonly fail: (error: Error) => void;
}

export interface BrokerHost {
  /** one line for people: what this is */
  readonly description: string;
  /** what the watcher is given as `DOCKER_HOST` */
  readonly engine: string;
  /** what the watcher is given as `MOSQUITTO_CONTAINER` */
  readonly container: string;
  /** Starts the engine, where it is ours, and the broker, without certificates. */
  start(signal: AbortSignal): Promise<void>;
  /** The first certificates are about to be there: the broker's configuration may name them from now on. */
  expectCertificates(): Promise<void>;
  restarts(): readonly Restart[];
  /** Where the broker speaks MQTT now. */
  address(): MqttAddress;
  /** Ends and removes all that this host has made. Safe at any time, also after a failed start. */
  close(): Promise<void>;
}
