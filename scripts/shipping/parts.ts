/** Libraries of which the bundle holds no more than what the program uses. */

import type { Plugin } from 'esbuild';

/**
 * The same names as of the whole library, as one ES module: a name that is imported and is not here does not build.
 *
 * - The Prometheus client also has a push gateway, registries of clusters and workers, metrics of the runtime and
 *   summaries, and loads https, zlib, cluster, worker_threads and OpenTelemetry for them: 2 MiB.
 * - MQTT packets are only written with the library. What reads them brings a second implementation of Node's streams.
 * - `debug`, with which that library traces itself, would obey a DEBUG in the environment.
 */
const PARTS: Readonly<Record<string, string>> = {
  '@prometheus-io/client': `
    export { default as Counter } from '@prometheus-io/client/lib/counter.js';
    export { default as Gauge } from '@prometheus-io/client/lib/gauge.js';
    export { default as Histogram } from '@prometheus-io/client/lib/histogram.js';
    export { default as Registry } from '@prometheus-io/client/lib/registry.js';
  `,
  'mqtt-packet': `
    export { default as generate } from 'mqtt-packet/generate.js';
    export { default as writeToStream } from 'mqtt-packet/writeToStream.js';
  `,
  debug: 'module.exports = () => () => undefined;',
};

const NAMESPACE = 'part';

/** Puts the parts in the place of the libraries. */
export const onlyWhatIsUsed: Plugin = {
  name: 'only what is used',
  setup({ onResolve, onLoad }) {
    for (const name of Object.keys(PARTS)) {
      onResolve({ filter: new RegExp(`^${name}$`) }, ({ resolveDir }) => ({
        path: name,
        namespace: NAMESPACE,
        pluginData: resolveDir,
      }));
    }
    onLoad({ filter: /./, namespace: NAMESPACE }, ({ path, pluginData }) => ({
      contents: PARTS[path] ?? '',
      resolveDir: pluginData,
    }));
  },
};
