/** Waiting for something to become so, with a limit, and with an end as soon as the demo ends. */

export interface Waiting {
  /** Something has happened: everything that is waited for is looked at again. */
  notify(): void;
  /** True as soon as it is so, false after `limitMs`; rejects when the demo ends. */
  until(isSo: () => boolean, limitMs: number): Promise<boolean>;
}

/** `signal` ends every wait, with its reason. */
export function createWaiting(signal: AbortSignal): Waiting {
  const looks = new Set<() => void>();
  return {
    notify: () => {
      for (const look of [...looks]) look();
    },
    until: (isSo, limitMs) =>
      new Promise<boolean>((resolve, reject) => {
        const leave = () => {
          clearTimeout(timer);
          looks.delete(look);
          signal.removeEventListener('abort', abort);
        };
        const settle = (value: boolean) => {
          leave();
          resolve(value);
        };
        const abort = () => {
          leave();
          reject(signal.reason);
        };
        const look = () => {
          if (isSo()) settle(true);
        };
        const timer = setTimeout(() => settle(isSo()), limitMs);
        looks.add(look);
        signal.addEventListener('abort', abort, { once: true });
        if (signal.aborted) abort();
        else look();
      }),
  };
}
