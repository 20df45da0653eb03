/** The identity of this program: its version, as in package.json, and the commit that it was built from. */

import manifest from '../../../package.json' with { type: 'json' };

/** Inserted by the build; the name does not exist when the program is run from source. */
declare const BUILD_COMMIT: string | undefined;

export const VERSION: string = manifest.version;

/** Empty when run from source, or when it was built outside of a clone. */
const COMMIT = typeof BUILD_COMMIT === 'string' ? BUILD_COMMIT : '';

/** `0.1.0 (abc1234)`; from source `0.1.0`. */
export const FULL_VERSION = COMMIT === '' ? VERSION : `${VERSION} (${COMMIT})`;
