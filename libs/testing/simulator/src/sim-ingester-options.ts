/** Draws options of a simulated ingester: small bounds, so that everything happens soon. */
import type { IngesterOptions } from '@loki/ingester';
import type { Prng } from '@loki/virtual';

/** So small that every kind of event happens within some hundred lines. */
export function drawIngesterOptions(random: Prng): Partial<IngesterOptions> {
  return {
    flushRawBytes: random.pick([500, 5_000, 50_000]),
    flushAgeMs: random.pick([2_000, 60_000]),
    flushIdleMs: random.pick([1_000, 60_000]),
    flushCheckMs: 500,
    headBytesPartitionMax: 300_000,
    headBytesMax: 400_000,
    readBytesMax: random.pick([1_000, 100_000]),
    readWaitMs: 200,
    queryWaitMs: 3_000,
    retryMinMs: 20,
    retryMaxMs: 2_000,
    decodedBlocksBytesMax: random.pick([0, 100_000]),
  };
}
