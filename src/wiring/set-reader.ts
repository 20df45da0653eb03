/** How a set is read, according to the settings. */

import { type CertFiles, createCertFiles, namesOf } from '../adapters/cert-files.ts';
import type { Settings } from '../core/model/settings.ts';

/** Reads the sets of a directory, with what the broker's user may read of them where the settings name it. */
export async function setReaderOf(
  settings: Settings,
): Promise<(certDir: string, setting?: 'CERT_DIR' | 'INCOMING_DIR' | 'MOSQUITTO_CONF') => CertFiles> {
  const { brokerUser } = settings;
  if (brokerUser === undefined)
    return (certDir, setting) => createCertFiles({ ...settings, certDir, ...(setting && { setting }) });
  const { createBrokerAccess } = await import('../adapters/broker-access.ts');
  return (certDir, setting = 'CERT_DIR') => {
    const certFiles = createCertFiles({ ...settings, certDir, setting });
    // the broker does not read in the directory of the agent
    const access = createBrokerAccess(brokerUser, certDir, namesOf(settings), setting !== 'INCOMING_DIR');
    return {
      async observe(nowMonoMs) {
        const [files, unreadable] = await Promise.all([certFiles.observe(nowMonoMs), access.observe()]);
        return files.kind === 'complete' ? { ...files, unreadable } : files;
      },
    };
  };
}
