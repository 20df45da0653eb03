/** The prefix of the metrics that this program has added to the seed's. */
export const PREFIX = 'mosquitto_cert_watcher_';
