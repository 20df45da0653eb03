/** What a piece of work costs, whatever else the machine does meanwhile. */

/** Milliseconds of processor time of this thread while `work` runs, which may not wait for anything. */
export function processorMsOf(work: () => unknown): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}
