/** The directory that the watcher watches, and the hand that writes into it. */

import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export type CertFile = 'ca.crt' | 'client.crt' | 'client.key';

/** Contents of some of the three files. */
export type CertFiles = Readonly<Partial<Record<CertFile, string>>>;

export interface CertFolder {
  readonly directory: string;
  /** Writes these files in place, one after the other; `say` tells people. */
  write(files: CertFiles, say: string): Promise<void>;
  append(file: CertFile, text: string, say: string): Promise<void>;
  /** Writes all three again with what they hold. */
  rewrite(say: string): Promise<void>;
  /** `performance.now()` at the end of the last write */
  lastWriteMs(): number;
}

const NAMES: readonly CertFile[] = ['ca.crt', 'client.crt', 'client.key'];

/** The folder at `directory`, which has to be there. */
export function createCertFolder(directory: string, tell: (text: string) => void): CertFolder {
  let lastWriteMs = 0;
  const path = (file: CertFile) => join(directory, file);

  function written(say: string) {
    lastWriteMs = performance.now();
    tell(say);
  }

  async function write(files: CertFiles, say: string) {
    for (const file of NAMES) {
      const text = files[file];
      if (text !== undefined)
        await writeFile(path(file), text, { mode: file === 'client.key' ? 0o600 : 0o644 });
    }
    written(say);
  }

  return {
    directory,
    write,
    append: async (file, text, say) => {
      await appendFile(path(file), text);
      written(say);
    },
    rewrite: async (say) => {
      for (const file of NAMES) await writeFile(path(file), await readFile(path(file)));
      written(say);
    },
    lastWriteMs: () => lastWriteMs,
  };
}
