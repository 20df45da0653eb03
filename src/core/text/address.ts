/** Addresses with a port, for people and for programs. */

/** `192.0.2.7:8883`, `broker.example.com:8883`, `[2001:db8::7]:8883`: an IPv6 address in brackets (RFC 3986, 3.2.2). */
export function hostPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
