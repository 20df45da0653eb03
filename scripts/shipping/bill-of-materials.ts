/** What is inside an executable and its image, as a CycloneDX 1.6 document. */

import { createHash } from 'node:crypto';
import type { DebianPackage } from './debian.ts';
import type { Identity } from './identity.ts';
import { type Lockfile, pinOf } from './lockfile.ts';
import { PROGRAM } from './paths.ts';
import type { Target } from './target.ts';

export interface Materials {
  readonly identity: Identity;
  readonly target: Target;
  /** SHA-256 of the executable, in hexadecimal digits */
  readonly sha256: string;
  readonly lockfile: Lockfile;
  /** where the packages in the bundle are installed: `node_modules/valibot` */
  readonly bundled: readonly string[];
  /** the runtime's `process.versions`: itself, and what it is made of */
  readonly runtimeVersions: Readonly<Record<string, string | undefined>>;
  /** of the libraries that only the image holds */
  readonly debian: readonly DebianPackage[];
  /** of Debian, where they come from: `debian-12` */
  readonly distribution: string;
}

interface Component {
  readonly type: 'application' | 'library' | 'platform';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly [more: string]: unknown;
}

/** Of `process.versions`, what is not a version of a component. */
const NO_COMPONENT = ['node', 'modules', 'napi', 'cldr', 'tz', 'unicode'];

/** The names that vulnerabilities are filed under. */
const CPE_VENDORS: Readonly<Record<string, string>> = { node: 'nodejs:node.js', openssl: 'openssl:openssl' };

/** The document; the same materials make the same text. */
export function billOfMaterials(materials: Materials): string {
  const { identity, target, sha256, lockfile, bundled } = materials;
  const program: Component = {
    type: 'application',
    'bom-ref': `${PROGRAM}@${identity.version}`,
    name: PROGRAM,
    version: identity.version,
    description: `executable and container image for ${target.name}`,
    licenses: licencesOf(lockfile['']?.license),
    hashes: [{ alg: 'SHA-256', content: sha256 }],
    properties: [{ name: `${PROGRAM}:commit`, value: identity.commit ?? 'unknown' }],
  };
  const packages = bundled.map((path) => npmComponent(lockfile, path));
  const others = [runtimeComponent(materials), ...debianComponents(materials)];
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { timestamp: new Date(identity.epochS * 1_000).toISOString(), component: program },
    components: [...packages, ...others],
    dependencies: [
      {
        ref: program['bom-ref'],
        dependsOn: [...dependenciesOf(lockfile, bundled, ''), ...others.map((one) => one['bom-ref'])],
      },
      ...bundled.map((path) => ({
        ref: npmReference(lockfile, path),
        dependsOn: dependenciesOf(lockfile, bundled, path),
      })),
    ],
  };
  return `${JSON.stringify({ ...document, serialNumber: serialNumber(JSON.stringify(document)) }, null, 2)}\n`;
}

function npmComponent(lockfile: Lockfile, path: string): Component {
  const { version, integrity } = pinOf(lockfile, path);
  return {
    type: 'library',
    'bom-ref': npmReference(lockfile, path),
    name: nameAt(path),
    version,
    purl: npmReference(lockfile, path),
    licenses: licencesOf(lockfile[path]?.license),
    hashes: [hashOf(integrity)],
  };
}

/** Node.js, with what it is made of inside it. */
function runtimeComponent({ lockfile, target, runtimeVersions }: Materials): Component {
  const { version, integrity } = pinOf(lockfile, `node_modules/${target.runtimePackage}`);
  const parts = Object.entries(runtimeVersions)
    .filter(([name, value]) => !NO_COMPONENT.includes(name) && value !== undefined && value !== '')
    .map(([name, value = '']) => genericComponent('library', name, value));
  return {
    ...genericComponent('platform', 'node', version),
    purl: npmPurl(target.runtimePackage, version),
    hashes: [hashOf(integrity)],
    components: parts,
  };
}

function genericComponent(type: 'library' | 'platform', name: string, version: string): Component {
  const vendor = CPE_VENDORS[name];
  return {
    type,
    'bom-ref': `runtime/${name}@${version}`,
    name,
    version,
    purl: `pkg:generic/${name}@${encodeURIComponent(version)}`,
    ...(vendor !== undefined && { cpe: `cpe:2.3:a:${vendor}:${version}:*:*:*:*:*:*:*` }),
  };
}

function debianComponents({ debian, target, distribution }: Materials): Component[] {
  return debian.map(({ name, version }) => {
    const purl = `pkg:deb/debian/${purlPart(name)}@${purlPart(version)}?arch=${target.arch}&distro=${distribution}`;
    const properties = [{ name: `${PROGRAM}:only-in`, value: 'container image' }];
    return { type: 'library', 'bom-ref': purl, name, version, purl, properties };
  });
}

/** What the package there asks for, as far as it is in the bundle: found as Node.js finds it, upwards. */
function dependenciesOf(lockfile: Lockfile, bundled: readonly string[], path: string): string[] {
  const names = Object.keys(lockfile[path]?.dependencies ?? {});
  const paths = names.map((name) => installed(lockfile, path, name));
  return paths.flatMap((found) =>
    found !== undefined && bundled.includes(found) ? [npmReference(lockfile, found)] : [],
  );
}

function installed(lockfile: Lockfile, from: string, name: string): string | undefined {
  const here = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
  if (here in lockfile) return here;
  if (from === '') return undefined;
  return installed(lockfile, from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))), name);
}

function npmReference(lockfile: Lockfile, path: string): string {
  return npmPurl(nameAt(path), pinOf(lockfile, path).version);
}

function npmPurl(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

/** Plus signs and colons of Debian's versions mean other things in a URL. */
function purlPart(text: string): string {
  return encodeURIComponent(text);
}

/** `node_modules/a/node_modules/@b/c` → `@b/c` */
function nameAt(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/** `sha512-` and base64, as npm writes it, in hexadecimal digits. */
function hashOf(integrity: string) {
  const digest = Buffer.from(integrity.slice('sha512-'.length), 'base64');
  return { alg: 'SHA-512', content: digest.toString('hex') };
}

function licencesOf(license: string | undefined) {
  return license === undefined ? [] : [{ expression: license }];
}

/** A UUID of the form that its readers expect, made of the content (RFC 9562, 5.8). */
function serialNumber(content: string): string {
  const digits = createHash('sha256').update(content).digest('hex');
  const parts = [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `8${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ];
  return `urn:uuid:${parts.join('-')}`;
}
