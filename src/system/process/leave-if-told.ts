/** Ends a process that replaced another one only in order to end (see leave.ts), before anything else is loaded. */

import { LEAVE } from './leave.ts';

const [first, code] = process.argv.slice(2);
if (first === LEAVE) process.exit(Number(code));
