/** The answer to a client of the HTTP server. */

export interface Answer {
  /** 200 by default */
  readonly status?: number;
  readonly contentType: string;
  /** A buffer may be shared by many answers. */
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Plain text with a line end. */
export function text(status: number, body: string, headers?: Answer['headers']): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n`, ...(headers && { headers }) };
}
