/**
 * A broker on a thread of its own, so that its work is not counted as that of the watch: it reports the bridge
 * `edge.cloud`, and then sends the smallest packets without end. Its first message is its port.
 */

import { parentPort } from 'node:worker_threads';
import { startFakeBroker, stateOf } from './fake-broker.ts';

const PINGS = Buffer.alloc(2 ** 20, Buffer.from([0xd0, 0]));

const { port } = await startFakeBroker({
  afterwards(socket) {
    socket.write(stateOf('edge.cloud', '1', true));
    const flood = () => {
      while (!socket.destroyed && socket.write(PINGS));
    };
    socket.on('drain', flood);
    flood();
  },
});
parentPort?.postMessage(port);
