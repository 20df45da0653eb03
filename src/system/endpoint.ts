/** Addresses with a port, for people. */

import { isIP } from 'node:net';

/** `192.0.2.7:8883`, `[2001:db8::7]:8883`. */
export function endpoint(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
