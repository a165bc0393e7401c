/** Protects the report of a run: queries were cut, and answers came from caches. */
import { cachesOf, Counts, cutsOf } from './counts.ts';

const before = `# HELP loki_query_frontend_partitions Time splits per query.
loki_query_frontend_partitions_bucket{le="1"} 10
loki_query_frontend_partitions_bucket{le="4"} 10
loki_query_frontend_partitions_bucket{le="+Inf"} 10
loki_query_frontend_partitions_sum 0
loki_query_frontend_partitions_count 10
loki_cache_fetched_keys{name="frontend.results-cache"} 5
loki_cache_hits{name="frontend.results-cache"} 0
loki_cache_hits{name="blocks"} 7
`;
const after = `loki_query_frontend_partitions_bucket{le="1"} 11
loki_query_frontend_partitions_bucket{le="4"} 12
loki_query_frontend_partitions_bucket{le="+Inf"} 13
loki_query_frontend_partitions_sum 12
loki_query_frontend_partitions_count 13
loki_query_frontend_shard_factor_count{mapper="log"} 2
loki_query_frontend_shard_factor_sum{mapper="log"} 9
loki_cache_fetched_keys{name="frontend.results-cache"} 8
loki_cache_hits{name="frontend.results-cache"} 2
`;

test('what a run has cut is what was counted since it began', () => {
  const counts = Counts.parse([after]).since(Counts.parse([before]));
  expect(cutsOf(counts)).toEqual({ splitQueries: 2, stretches: 12, shardedQueries: 2, parts: 9 });
});

test('caches are summed over processes, those of answers alone', () => {
  const caches = cachesOf(Counts.parse([before, after]));
  expect(caches).toEqual([{ name: 'frontend.results-cache', lookups: 13, hits: 2 }]);
});
