/**
 * Protects the questions about labels and series from ranges that make no sense, and others from their
 * number.
 */
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

describe('series', () => {
  const ask = (selectors: readonly string[]) => {
    const queryText = new URLSearchParams(
      selectors.map((selector): [string, string] => ['match[]', selector]),
    ).toString();
    return apiOf().series({ ...getRequest({}), queryText }, tenancyOf('t'));
  };
  const selectors = Array.from({ length: 257 }, (_, i) => `{app="${i}"}`);

  // Each selector is asked of every ingester and segment.
  test('of more selectors than a query may have are refused', async () => {
    await expect(ask(selectors)).rejects.toMatchObject({
      status: 400,
      message: 'too many selectors (257 > 256)',
    });
  });

  test('of as many selectors, some of them repeated, are answered', async () => {
    await expect(ask([...selectors.slice(1), ...selectors.slice(1)])).resolves.toMatchObject({ status: 200 });
  });
});
