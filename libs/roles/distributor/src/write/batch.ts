/** A batch of one partition: the shares of the pushes in it, and its bounds. */
import type { TenantId } from '@loki/model';
import { RowWriter } from '@loki/segment';
import type { ConsumeCosts } from './consumer-lag.ts';
import { isEncodedElsewhere } from './encode-batch.ts';

/** Rows of one tenant in a batch. */
interface Share {
  readonly writer: RowWriter;
  readonly acked: PromiseWithResolvers<void>;
  pushes: number;
  /** Microseconds that the head will need to consume them. */
  micros: number;
}

export interface Batch {
  readonly shares: Map<TenantId, Share>;
  readonly beganMs: number;
  /** Resolves when this batch, and all earlier batches with rows of its tenants, are encoded. */
  encoded: Promise<unknown>;
}

/**
 * Streams at which a batch is sealed. A record enters a head in one turn, at 5 µs a stream: 60,000 streams
 * took 200 ms.
 */
export const batchStreamsMax = 4096;
/**
 * Names of structured metadata at which a batch is sealed: reading a block with 50,000 columns took 200 ms.
 */
export const batchNamesMax = 2048;

/**
 * Waits for all promises, then throws the first error: the failure of one record does not end the wait for
 * later ones.
 */
export async function allOf(appends: readonly Promise<number>[]): Promise<number[]> {
  await Promise.allSettled(appends);
  return Promise.all(appends);
}

export function newShare(tenant: TenantId): Share {
  const acked = Promise.withResolvers<void>();
  // A push whose client has disconnected may not wait any more.
  acked.promise.catch(() => {});
  return { writer: new RowWriter(tenant), acked, pushes: 0, micros: 0 };
}

export function pushesOf({ shares }: Batch): number {
  let pushes = 0;
  for (const share of shares.values()) pushes += share.pushes;
  return pushes;
}

export function costsOf({ shares }: Batch): ConsumeCosts {
  return new Map(Array.from(shares, ([tenant, { micros }]) => [tenant, micros]));
}

/**
 * The batch alone; or two batches, when only some of its tenants make it large enough for another thread: the
 * other tenants first, then these.
 */
export function apart(batch: Batch): Batch[] {
  const isLarge = ({ writer }: Share): boolean => isEncodedElsewhere([writer]);
  const large = [...batch.shares].filter(([, share]) => isLarge(share));
  if (large.length === 0 || large.length === batch.shares.size) return [batch];
  const small = [...batch.shares].filter(([, share]) => !isLarge(share));
  return [small, large].map((shares) => ({ ...batch, shares: new Map(shares) }));
}
