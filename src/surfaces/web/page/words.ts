/** Times, fingerprints and sentences as the page writes them. */

/** A sentence of this program with a capital letter; file names and settings are left as they are. */
export function sentenceCase(text: string): string {
  const [first = ''] = text.split(' ', 1);
  return /^[a-z]+[,']?[a-z]*$/.test(first) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

export function short(fingerprint: string | undefined): string {
  return fingerprint === undefined ? '' : fingerprint.slice(0, 16);
}

export function iso(wallMs: number): string {
  const date = new Date(wallMs);
  return Number.isNaN(date.getTime()) ? 'unknown' : date.toISOString();
}

export function day(wallMs: number): string {
  return iso(wallMs).slice(0, 10);
}

export function clock(wallMs: number): string {
  return iso(wallMs).slice(11, 19);
}

export function dayAndClock(wallMs: number): string {
  return `${day(wallMs)} ${clock(wallMs)}`;
}

/** The time alone on the same day. */
export function when(wallMs: number, nowMs: number): string {
  return day(wallMs) === day(nowMs) ? clock(wallMs) : `${day(wallMs).slice(5)} ${clock(wallMs).slice(0, 5)}`;
}
