/** Who made the Debian package, what has changed in it, and under which licence it is. */

import { wrap } from '../../src/core/text/wrap.ts';
import type { Identity } from './identity.ts';
import { PROGRAM } from './paths.ts';

/** Whoever publishes the package names themselves; there is no address that everybody's builds could share. */
export const MAINTAINER =
  process.env['DEB_MAINTAINER'] ?? `${PROGRAM} contributors <noreply@${PROGRAM}.invalid>`;

/** Only where the source is known to be published. */
export function homepageField({ source }: Identity): readonly string[] {
  return source === undefined ? [] : [`Homepage: ${source}`];
}

/** The section of the changelog in Debian's form. deb-changelog(5) */
export function debianChangelog({ version, epochS }: Identity, section = 'This version'): string {
  const items = section
    .split(/^- /m)
    .map((item) => item.split(/\n(?:\n|#)/)[0] ?? '')
    .filter((item) => item !== '' && !item.startsWith('#'));
  const date = new Date(epochS * 1_000).toUTCString().replace('GMT', '+0000');
  return `${PROGRAM} (${version}) unstable; urgency=medium

${items.map(changelogItem).join('\n')}

 -- ${MAINTAINER}  ${date}
`;
}

const WIDTH = 78;

function changelogItem(item: string): string {
  const lines = wrap(item.replace(/\s+/g, ' ').trim(), WIDTH - 4);
  return lines.map((line, index) => `${index === 0 ? '  * ' : '    '}${line}`).join('\n');
}

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ */
export function copyrightFile({ source, epochS }: Identity): string {
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ${PROGRAM}
${source === undefined ? '' : `Source: ${source}\n`}
Files: *
Copyright: ${new Date(epochS * 1_000).getUTCFullYear()} the contributors of ${PROGRAM}
License: Apache-2.0
 On Debian systems the full text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
Comment:
 The executable contains the Node.js runtime and a few libraries; their
 copyrights and licences are in /usr/share/doc/${PROGRAM}/NOTICES.gz.
`;
}
