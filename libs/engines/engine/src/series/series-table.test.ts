/** Protects the choice of the reported failure when a metric query has several. */
import type { SampleLeafRequest } from '@loki/ports';
import { runLeaf, segmentOf, tenant, testEnv } from '../test/blocks.ts';
import { stream } from '../test/query.ts';

const second = 1_000_000_000n;
const request: Omit<SampleLeafRequest, 'expr'> = {
  kind: 'samples',
  tenant,
  startNs: 100n * second,
  endNs: 100n * second,
  stepNs: 0n,
  seriesMax: 3,
};

test.each([
  ['count_over_time({app="a"} | json [100s])', /^pipeline error: 'JSONParserErr'/],
  // Without the line that is no object.
  ['count_over_time({app="a"} |= "n" | json [100s])', /^maximum number of series \(3\)/],
  [
    'sum by (n) (sum_over_time({app="a"} |= "n" | json | unwrap m [100s]))',
    /^maximum number of series \(3\)/,
  ],
])('%s tells of errors before too many series', async (expr, message) => {
  const lines = [...Array.from({ length: 20 }, (_, i) => `{"n":"${i}","m":1}`), 'text'];
  const bytes = segmentOf(stream({ app: 'a' }, lines));
  await expect(runLeaf({ ...request, expr }, [{ kind: 'bytes', bytes }], testEnv())).rejects.toThrow(message);
});
