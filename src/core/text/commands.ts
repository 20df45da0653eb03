/** What people type to see more about a broker. */

import type { BrokerState } from '../model/broker.ts';

/** Where a broker of this kind says why it is not well: `see docker logs mosquitto`. */
export function seeLog(kind: BrokerState['kind'], name: string): string {
  switch (kind) {
    case 'container':
      return `see docker logs ${name}`;
    case 'service':
      return `see docker service ps ${name}`;
    case 'unit':
      return `see journalctl -u ${name}`;
  }
}

/** How a paused broker of this kind is resumed. */
export function resume(kind: BrokerState['kind'], name: string): string {
  const command = kind === 'unit' ? `systemctl thaw ${name}` : `docker unpause ${name}`;
  return `resume it with ${command} once it need not be paused any more`;
}
