/** What a process costs, as the kernel tells. */

import { readdirSync, readFileSync } from 'node:fs';

export interface Footprint {
  readonly residentMb: number;
  /** what the process has written to: pages that nobody shares and that cannot be read again from a file */
  readonly privateMb: number;
  readonly openFiles: number;
  readonly threads: number;
  /** user and system time since its start, in seconds */
  readonly cpuS: number;
}

/** Reads /proc/<pid>; throws if there is no such process. */
export function footprintOf(pid: number): Footprint {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kilobytes = (text: string, name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]);
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    residentMb: kilobytes(status, 'VmRSS') / 1_024,
    privateMb: kilobytes(rollup, 'Private_Dirty') / 1_024,
    openFiles: readdirSync(`/proc/${pid}/fd`).length,
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1]),
    // fields 14 and 15 of proc(5), in ticks of a hundredth of a second
    cpuS: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}
