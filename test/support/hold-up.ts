/** Keeps the process busy: until this returns nothing is read, and no timer fires. */
export function holdUp(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
