/** What the kernel holds of a file. */

import { execFileSync } from 'node:child_process';

/**
 * Has it forget the file, which is then read again: pages of a file that was written a moment ago and has not reached the
 * disk yet count as written to by everybody who maps them. What somebody maps just now stays. dd(1)
 */
export function evict(path: string): void {
  execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']);
}
