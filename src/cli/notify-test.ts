/** `notify-test`: sends one notification with the daemon's settings, and reports the answer. */

import type { SecretUrl, Settings } from '../core/model/settings.ts';

/**
 * Sends one notification that is marked as a test, without retries, and writes what the receiver answers. Resolves with
 * the exit code: 0 if it was delivered, 1 if it was not or `stop` came first.
 */
export async function notifyTest(
  settings: Settings,
  url: SecretUrl,
  stop: AbortSignal,
  write: (text: string) => void,
): Promise<number> {
  const { sendTest } = await import('../wiring/notify.ts');
  const { to, delivery } = await sendTest(settings, url, stop);
  write(`a test notification (${settings.notifyFormat}) goes to ${to}\n`);
  const answer = await delivery;
  if (stop.aborted && !answer.ok) return 1;
  if (answer.ok) write(`delivered: HTTP ${answer.status}${answer.said === '' ? '' : `: ${answer.said}`}\n`);
  else write(`not delivered (${answer.cause}): ${answer.error}\ntry: ${answer.hint}\n`);
  return answer.ok ? 0 : 1;
}
