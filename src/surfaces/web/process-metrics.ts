/**
 * The usual `process_*` metrics. The client library has them too, but only together with a measurement of the
 * event loop that wakes the process a hundred times a second.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { Counter, Gauge, type Registry } from '@prometheus-io/client';

/** Registers them; each is read at the scrape. Values that this platform does not provide are absent. */
export function registerProcessMetrics(registry: Registry): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const value = read();
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Total user and system CPU time spent in seconds',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  const startedS = Date.now() / 1_000 - process.uptime();
  const maxFds = readMaxFds();
  gauge(
    'process_start_time_seconds',
    'Start time of the process since unix epoch in seconds',
    () => startedS,
  );
  gauge('process_resident_memory_bytes', 'Resident memory size in bytes', () => process.memoryUsage.rss());
  gauge('process_virtual_memory_bytes', 'Virtual memory size in bytes', readVirtualMemory);
  gauge('process_open_fds', 'Number of open file descriptors', countOpenFds);
  gauge('process_max_fds', 'Maximum number of open file descriptors', () => maxFds);
}

/** Reading /proc never blocks: it is not on a disk. Platforms other than Linux have none. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function readVirtualMemory(): number | undefined {
  const status = attempt(() => readFileSync('/proc/self/status', 'utf8'));
  const kilobytes = /^VmSize:\s+(\d+) kB/m.exec(status ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
}

/** Without the descriptor that lists them. */
function countOpenFds(): number | undefined {
  return attempt(() => readdirSync('/proc/self/fd').length - 1);
}

function readMaxFds(): number | undefined {
  const limits = attempt(() => readFileSync('/proc/self/limits', 'utf8'));
  const soft = /^Max open files\s+(\d+)/m.exec(limits ?? '')?.[1];
  return soft === undefined ? undefined : Number(soft);
}
