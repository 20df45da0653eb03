/** The changelog, in the form of Keep a Changelog. */

/** What the changelog says about this version, without its heading; undefined if it has no section for it. */
export function sectionOf(changelog: string, version: string): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => nameOf(text) === version);
  return section?.slice(section.indexOf('\n') + 1).trim();
}

/** `[0.1.0] - 2026-11-25` and `0.1.0` → `0.1.0` */
function nameOf(section: string): string | undefined {
  return /^\[?([^\]\s]+)/.exec(section)?.[1];
}
