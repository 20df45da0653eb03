/** What a measurement is told by its environment. A value that cannot be used ends it before anything is started. */

/** The positive number in this variable; `otherwise` if it is not set. */
export function numberFrom(name: string, otherwise: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) refuse(`${name}="${text}" is not a number above zero`);
  return value;
}

/** Ends the process with exit code 2 and this sentence. */
export function refuse(problem: string): never {
  process.stderr.write(`${problem}\n`);
  process.exit(2);
}
