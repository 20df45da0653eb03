/** How much is tried by tests that can only try some of what there is. */

/** `THOROUGH=1`, as in `.ci/run`: what takes minutes of processor time more is tried too. */
export const IS_THOROUGH = process.env['THOROUGH'] === '1';

/** The size of a sample: `many` where it is thorough, or else `some`. */
export const sample = ({ many, some }: { many: number; some: number }): number => (IS_THOROUGH ? many : some);
