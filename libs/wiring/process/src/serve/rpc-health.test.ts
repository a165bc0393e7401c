/** Protects: the gRPC health check follows readiness. */
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { RpcHealth } from './rpc-health.ts';

test('gRPC health follows readiness, says each change once, and says no from the stop on', async () => {
  const scheduler = new VirtualScheduler(1);
  const { timers } = new VirtualProcess(scheduler, 'p');
  const said: boolean[] = [];
  let reason: string | undefined = 'Ingester not ready';
  const health = new RpcHealth({
    rpc: { setServing: (isServing) => void said.push(isServing) },
    states: { notReady: () => reason },
    timers,
  });
  const pass = (ms: number) => scheduler.run({ untilMs: scheduler.nowMs + ms });
  health.start();
  await pass(2_000);
  reason = undefined;
  await pass(2_000);
  reason = 'no querier';
  await pass(2_000);
  reason = undefined;
  await pass(2_000);
  health.stop();
  await pass(2_000);
  expect(said).toEqual([false, true, false, true, false]);
});
