import { expect, onTestFinished, test, vi } from 'vitest';
import { startBlackHole } from '../../../lab/tls-servers.ts';
import { connectInTurn } from '../../../src/adapters/tls-probe/connect.ts';

test('a first address that is dead takes only its share of the time', async () => {
  const hole = await startBlackHole();
  onTestFinished(() => hole.close());
  // the clock by which the rest is shared out stands still, so that the share is exact on a busy machine too
  const clock = vi.spyOn(process, 'hrtime').mockReturnValue([1_000, 0]);
  onTestFinished(() => clock.mockRestore());

  const limit = { ms: 300, signal: new AbortController().signal };
  const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
  const step = await connectInTurn(addresses, hole.port, limit, () => undefined);

  expect(step).toMatchObject({
    ok: false,
    fault: {
      cause: 'tcp',
      error: [
        `no TCP connection to 127.0.0.1:${hole.port} within 100 ms`,
        `connect ECONNREFUSED 127.0.0.2:${hole.port}`,
        `connect ECONNREFUSED 127.0.0.3:${hole.port}`,
      ].join('; '),
    },
  });
});
