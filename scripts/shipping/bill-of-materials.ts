/** What is inside an executable and its image, as a CycloneDX 1.6 document. */

import { createHash } from 'node:crypto';
import { ComponentType, HashAlgorithm } from '@cyclonedx/cyclonedx-library/Enums';
import {
  Bom,
  Component,
  ComponentRepository,
  HashDictionary,
  LicenseExpression,
  LicenseRepository,
  Metadata,
  Property,
  PropertyRepository,
} from '@cyclonedx/cyclonedx-library/Models';
import { JSON as Json, JsonSerializer } from '@cyclonedx/cyclonedx-library/Serialize';
import { Spec1dot6 } from '@cyclonedx/cyclonedx-library/Spec';
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

/** Of `process.versions`, what is not a version of a component. */
const NO_COMPONENT = ['node', 'modules', 'napi', 'cldr', 'tz', 'unicode'];

/** The names that vulnerabilities are filed under. */
const CPE_VENDORS: Readonly<Record<string, string>> = { node: 'nodejs:node.js', openssl: 'openssl:openssl' };

const SERIALIZER = new JsonSerializer(new Json.Normalize.Factory(Spec1dot6));

/** The document; the same materials make the same text. */
export function billOfMaterials(materials: Materials): string {
  const { identity, lockfile, bundled } = materials;
  const packages = new Map(bundled.map((path) => [path, npmComponent(lockfile, path)]));
  const others = [runtimeComponent(materials), ...debianComponents(materials)];
  const program = programComponent(materials);
  for (const component of [...dependenciesOf(lockfile, packages, ''), ...others]) {
    program.dependencies.add(component.bomRef);
  }
  for (const [path, component] of packages) {
    for (const dependency of dependenciesOf(lockfile, packages, path)) {
      component.dependencies.add(dependency.bomRef);
    }
  }
  const bom = new Bom({
    metadata: new Metadata({ timestamp: new Date(identity.epochS * 1_000), component: program }),
    components: new ComponentRepository([...packages.values(), ...others]),
  });
  // made of the content, so that it is the same for the same materials
  bom.serialNumber = serialNumber(textOf(bom));
  return `${textOf(bom)}\n`;
}

function textOf(bom: Bom): string {
  return SERIALIZER.serialize(bom, { space: 2 });
}

function programComponent({ identity, target, sha256, lockfile }: Materials): Component {
  return new Component(ComponentType.Application, PROGRAM, {
    bomRef: `${PROGRAM}@${identity.version}`,
    version: identity.version,
    description: `executable and container image for ${target.name}`,
    licenses: licencesOf(lockfile['']?.license),
    hashes: new HashDictionary([[HashAlgorithm['SHA-256'], sha256]]),
    properties: new PropertyRepository([new Property(`${PROGRAM}:commit`, identity.commit ?? 'unknown')]),
  });
}

function npmComponent(lockfile: Lockfile, path: string): Component {
  const { version, integrity } = pinOf(lockfile, path);
  const name = nameAt(path);
  const purl = npmPurl(name, version);
  return new Component(ComponentType.Library, name, {
    bomRef: purl,
    purl,
    version,
    licenses: licencesOf(lockfile[path]?.license),
    hashes: hashesOf(integrity),
  });
}

/** Node.js, with what it is made of inside it. */
function runtimeComponent({ lockfile, target, runtimeVersions }: Materials): Component {
  const { version, integrity } = pinOf(lockfile, `node_modules/${target.runtimePackage}`);
  const runtime = genericComponent(ComponentType.Platform, 'node', version);
  runtime.purl = npmPurl(target.runtimePackage, version);
  runtime.hashes = hashesOf(integrity);
  for (const [name, value] of Object.entries(runtimeVersions)) {
    if (NO_COMPONENT.includes(name) || value === undefined || value === '') continue;
    runtime.components.add(genericComponent(ComponentType.Library, name, value));
  }
  return runtime;
}

function genericComponent(type: ComponentType, name: string, version: string): Component {
  const vendor = CPE_VENDORS[name];
  return new Component(type, name, {
    bomRef: `runtime/${name}@${version}`,
    version,
    purl: `pkg:generic/${name}@${encodeURIComponent(version)}`,
    ...(vendor !== undefined && { cpe: `cpe:2.3:a:${vendor}:${version}:*:*:*:*:*:*:*` }),
  });
}

function debianComponents({ debian, target, distribution }: Materials): Component[] {
  return debian.map(({ name, version }) => {
    // plus signs and colons of Debian's names and versions mean other things in a URL
    const packageAt = `${encodeURIComponent(name)}@${encodeURIComponent(version)}`;
    const purl = `pkg:deb/debian/${packageAt}?arch=${target.arch}&distro=${distribution}`;
    const properties = new PropertyRepository([new Property(`${PROGRAM}:only-in`, 'container image')]);
    return new Component(ComponentType.Library, name, { bomRef: purl, version, purl, properties });
  });
}

/** What the package there asks for, as far as it is in the bundle: found as Node.js finds it, upwards. */
function dependenciesOf(
  lockfile: Lockfile,
  packages: ReadonlyMap<string, Component>,
  path: string,
): Component[] {
  return Object.keys(lockfile[path]?.dependencies ?? {}).flatMap((name) => {
    const found = installed(lockfile, path, name);
    return (found !== undefined && packages.get(found)) || [];
  });
}

function installed(lockfile: Lockfile, from: string, name: string): string | undefined {
  const here = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
  if (here in lockfile) return here;
  if (from === '') return undefined;
  return installed(lockfile, from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))), name);
}

function npmPurl(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

/** `node_modules/a/node_modules/@b/c` → `@b/c` */
function nameAt(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/** npm writes `sha512-` and base64, CycloneDX hexadecimal digits. */
function hashesOf(integrity: string): HashDictionary {
  const digest = Buffer.from(integrity.slice('sha512-'.length), 'base64');
  return new HashDictionary([[HashAlgorithm['SHA-512'], digest.toString('hex')]]);
}

function licencesOf(license: string | undefined): LicenseRepository {
  return new LicenseRepository(license === undefined ? [] : [new LicenseExpression(license)]);
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
