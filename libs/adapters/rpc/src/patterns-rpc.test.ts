/** Protects `/patterns` between processes: the caller gets the patterns of the other process unchanged. */
import { LokiError } from '@loki/model';
import type { PatternSeries, PatternService, PatternsRequest } from '@loki/ports';
import { PatternsClient, servePatterns } from './patterns-rpc.ts';
import { tenant, TestWorld } from './test/rpc.ts';

const world = new TestWorld();
afterAll(() => world.close());

const request: PatternsRequest = {
  tenant,
  selector: '{app="a"}',
  startNs: -5n,
  endNs: 1_700_000_000_000_000_001n,
  stepNs: 10_000_000_000n,
};

async function clientOf(service: PatternService): Promise<PatternsClient> {
  return new PatternsClient(world.channel(await world.serve((server) => servePatterns(server, service))));
}

test('question and answer arrive as they were sent, however long', async () => {
  let asked: PatternsRequest | undefined;
  const series = Array.from({ length: 3_000 }, (_, i): PatternSeries => {
    const pattern = `level=<_> ünï ${i} `.repeat(20);
    return {
      pattern,
      level: i % 2 ? 'error' : '',
      samples: Array.from({ length: i % 50 }, (__, k) => [1_700_000_000 + 10 * k, i + k]),
    };
  });
  const client = await clientOf({
    async patterns(given) {
      asked = given;
      return series;
    },
  });
  expect(await client.patterns(request)).toEqual(series);
  expect(asked).toEqual(request);
});

test('what the request is to blame for is said in the same words', async () => {
  const client = await clientOf({
    patterns: () => Promise.reject(new LokiError('badRequest', 'parse error : unexpected {')),
  });
  await expect(client.patterns(request)).rejects.toMatchObject({
    code: 'badRequest',
    message: 'parse error : unexpected {',
  });
});

test('a process without patterns says so', async () => {
  const client = new PatternsClient(world.channel(await world.serve(() => {})));
  await expect(client.patterns(request)).rejects.toMatchObject({ code: 'methodNotAllowed' });
});
