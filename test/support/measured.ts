/**
 * Options of tests that measure how long something takes. Other work of the machine can delay one attempt by more than
 * the bound; what is too slow in three attempts is too slow.
 */
export const MEASURED = { retry: 2 } as const;
