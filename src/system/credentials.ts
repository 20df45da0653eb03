/** A file with a user and a password, for an MQTT broker. */

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** One line, `user:password`; undefined: it is something else. */
export function parseCredentials(bytes: Buffer): Credentials | undefined {
  const [, username, password] = /^([^:\r\n]+):([^\r\n]*)\r?\n?$/.exec(bytes.toString('utf8')) ?? [];
  if (username === undefined || password === undefined) return undefined;
  return isTooLong(username) || isTooLong(password) ? undefined : { username, password };
}

/** The length of an MQTT string has two bytes (MQTT 3.1.1, 1.5.3). */
function isTooLong(text: string): boolean {
  return Buffer.byteLength(text) > 0xffff;
}
