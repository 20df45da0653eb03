/** RFC 3339 in UTC with whole seconds: `2024-01-15T10:30:00Z`. */
export function timestamp(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}
