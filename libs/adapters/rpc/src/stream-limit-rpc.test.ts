/** Protects stream limits between processes: what is claimed there is what was claimed here. */
import type { StreamClaim, StreamLimitService } from '@loki/ports';
import { serveStreamLimits, StreamLimitsClient } from './stream-limit-rpc.ts';
import { tenant, TestWorld } from './test/rpc.ts';

const world = new TestWorld();
afterAll(() => world.close());

const claims: StreamClaim[] = [
  {
    tenant,
    activeMax: 5_000,
    activeStreams: Float64Array.of(0, 1, 2 ** 53 - 1),
    newStreams: Float64Array.of(7),
  },
  { tenant, activeMax: 2 ** 40, activeStreams: new Float64Array(0), newStreams: Float64Array.of(3, 4) },
];

/** Half a second, the deadline of pushes, is too short for a loaded machine. */
async function clientOf(service: StreamLimitService, deadlineMs = 60_000): Promise<StreamLimitsClient> {
  const address = await world.serve((server) => serveStreamLimits(server, service));
  return new StreamLimitsClient(world.channel(address), deadlineMs);
}

test('claims and verdicts arrive as they were sent', async () => {
  let seen: readonly StreamClaim[] = [];
  const client = await clientOf({
    async claim(asked) {
      seen = asked;
      return [Uint8Array.of(1), Uint8Array.of(0, 1)];
    },
  });
  const verdicts = await client.claim(claims);
  expect(seen).toEqual(claims);
  expect(verdicts.map((each) => [...each])).toEqual([[1], [0, 1]]);
});

test('verdicts for other streams than were claimed are not believed', async () => {
  const client = await clientOf({ claim: async () => [Uint8Array.of(1, 1), Uint8Array.of(0, 1)] });
  await expect(client.claim(claims)).rejects.toThrow('verdicts for other streams');
});

test('who does not answer is given up by the deadline', async () => {
  const client = await clientOf({ claim: () => new Promise(() => {}) }, 100);
  await expect(client.claim(claims)).rejects.toMatchObject({ code: 'unavailable' });
});
