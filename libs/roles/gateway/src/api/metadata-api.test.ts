/** Protects the questions about labels from ranges that make no sense. */
import type { Limits } from '@loki/config';
import { clock, getRequest, logger, nowNs, tenancyOf, testFrontend, TestQuerier } from '../test/gateway.ts';
import { MetadataApi } from './metadata-api.ts';

function apiOf(limits: Partial<Limits> = {}): MetadataApi {
  const querier = new TestQuerier();
  const frontend = testFrontend(querier, limits);
  return new MetadataApi({ frontend, querier, clock, logger, multiTenantQueriesEnabled: false });
}

const seconds = Number(nowNs / 1_000_000_000n);
const text = 'this data is no longer available, it is past now - max_query_lookback (0s)';

describe.each(['labels', 'labelValues'] as const)('%s', (name) => {
  const ask = async (params: Record<string, string>, limits?: Partial<Limits>) => {
    const request = { ...getRequest(params), params: new Map([['name', 'app']]) };
    return apiOf(limits)[name](request, tenancyOf('t'));
  };

  test.each<Record<string, string>>([
    { start: `${seconds - 60}`, end: `${seconds - 61}` },
    { start: `${seconds - 60}`, end: `${(seconds - 60) * 1000 - 1}000000` },
    // Without an end it is now.
    { start: `${seconds + 60}` },
  ])('of %j are refused in the words of Loki', async (params) => {
    await expect(ask(params)).rejects.toMatchObject({ status: 400, message: text });
  });

  test('name the lookback that holds', async () => {
    const params = { start: `${seconds}`, end: `${seconds - 1}` };
    await expect(ask(params, { maxQueryLookbackMs: 5_400_000 })).rejects.toThrow(
      'max_query_lookback (1h30m)',
    );
  });

  test('of a moment are answered', async () => {
    await expect(ask({ start: `${seconds}`, end: `${seconds}` })).resolves.toMatchObject({ status: 200 });
  });
});
