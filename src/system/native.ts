/** Properties of C on this machine, and so for the broker that runs on it. */

/** Whether `char` is signed; on ARM it is not. */
export const CHAR_IS_SIGNED = process.arch === 'x64' || process.arch === 'ia32';
