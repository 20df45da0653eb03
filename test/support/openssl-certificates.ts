/** Certificates from OpenSSL's own command line, for what a careful library would not issue. */

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Minted {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface MintOptions {
  readonly cn: string;
  /** lines of an extension section: `basicConstraints = critical,CA:TRUE` */
  readonly extensions: readonly string[];
  /** `rsa1024`, or the name of a curve; `explicit` is P-256 with its parameters spelt out. P-256 unless told */
  readonly key?: string;
  /** self-signed unless told */
  readonly by?: Minted;
  readonly digest?: 'sha1' | 'sha256';
}

export const CA_EXTENSIONS = [
  'basicConstraints = critical,CA:TRUE',
  'keyUsage = critical,keyCertSign,cRLSign',
  'subjectKeyIdentifier = hash',
] as const;

export const LEAF_EXTENSIONS = [
  'basicConstraints = critical,CA:FALSE',
  'keyUsage = critical,digitalSignature,keyEncipherment',
  'extendedKeyUsage = serverAuth,clientAuth',
  'subjectAltName = DNS:localhost',
] as const;

/** Its files lie in `directory`. */
export function createMint(directory: string) {
  let serial = 0;
  return async (options: MintOptions): Promise<Minted> => {
    serial += 1;
    const own = serial;
    const path = (suffix: string) => join(directory, `${own}.${suffix}`);
    const [key, request, config, cert] = [path('key'), path('csr'), path('cnf'), path('crt')];
    await openssl([...keyArguments(options.key ?? 'prime256v1'), '-out', key]);
    const sections = ['[req]', 'distinguished_name = name', '[name]', '[extensions]', ...options.extensions];
    await writeFile(config, `${sections.join('\n')}\n`);
    await openssl([
      'req',
      '-new',
      '-config',
      config,
      '-key',
      key,
      '-subj',
      `/CN=${options.cn}`,
      '-out',
      request,
    ]);
    const signer = ['-signkey', key];
    if (options.by !== undefined) {
      await writeFile(path('ca.crt'), options.by.certPem);
      await writeFile(path('ca.key'), options.by.keyPem);
      signer.splice(0, 2, '-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-set_serial', String(own));
    }
    const extensions = ['-extfile', config, '-extensions', 'extensions'];
    await openssl([
      ...['x509', '-req', '-in', request, ...signer, '-days', '30', `-${options.digest ?? 'sha256'}`],
      ...[...extensions, '-out', cert],
    ]);
    return { certPem: await readFile(cert, 'utf8'), keyPem: await readFile(key, 'utf8') };
  };
}

function keyArguments(kind: string): string[] {
  const bits = /^rsa(\d+)$/.exec(kind)?.[1];
  if (bits !== undefined) return ['genpkey', '-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${bits}`];
  const encoding = kind === 'explicit' ? ['-param_enc', 'explicit'] : [];
  return ['ecparam', '-name', kind === 'explicit' ? 'prime256v1' : kind, '-genkey', '-noout', ...encoding];
}

async function openssl(args: readonly string[]): Promise<void> {
  await promisify(execFile)('openssl', [...args]);
}
