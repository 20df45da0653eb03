/** Of ascending values: the one below which this share of them lies; of a share of 1 the last. */
export function quantile(values: readonly number[], share: number): number {
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
}
