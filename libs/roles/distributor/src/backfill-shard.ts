/** The shard of a backfill, from its header: step *decode* of a written line. */
import { LokiError } from '@loki/model';
import type { HttpRequest } from '@loki/ports';

const backfillShardBytesMax = 128;

/** Undefined: the push is no backfill. Throws LokiError 400 for a name that is too long. */
export function backfillShardOf({ headers }: HttpRequest): string | undefined {
  const shard = headers.get('x-loki-backfill-shard');
  if (shard === undefined || shard === '') return undefined;
  if (Buffer.byteLength(shard) > backfillShardBytesMax) {
    throw new LokiError(
      'badRequest',
      `X-Loki-Backfill-Shard is too long: max ${backfillShardBytesMax} bytes`,
    );
  }
  return shard;
}
