/** Pushes that wait for verdicts on their new streams: step *limit* of a written line. */
import type { Limits } from '@loki/config';
import { mib } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { PushRows } from '../rows/push-rows.ts';
import type { ResolvedStream } from '../streams/resolve-stream.ts';
import type { StreamAdmission } from './stream-admission.ts';

/**
 * Pushes that may wait for a verdict on their streams, and their bytes: further ones are judged by this
 * process's own counts.
 */
const pushesMax = 256;
const bytesMax = 128 * mib;

/** Asks for verdicts on the new streams of pushes, within bounds on the pushes that wait. */
export class PendingVerdicts {
  readonly #admission: StreamAdmission;
  /** Decompressed bytes of pushes that wait. */
  #bytes = 0;

  constructor(admission: StreamAdmission) {
    this.#admission = admission;
  }

  /**
   * Claims the new streams of a push; undefined: there is nothing to wait for.
   *
   * @param pushCount pushes in progress, this one included
   */
  ask(
    { tenant, rows, limits, nowMs }: { tenant: TenantId; rows: PushRows; limits: Limits; nowMs: number },
    pushCount: number,
  ): Promise<void> | undefined {
    const bytes = rows.bytes.length + rows.extraLength;
    if (pushCount > pushesMax || this.#bytes + bytes > bytesMax) return undefined;
    const verdicts = this.#admission.prepare?.(tenant, streamsWithRows(rows), limits, nowMs);
    if (!verdicts) return undefined;
    this.#bytes += bytes;
    return verdicts.finally(() => {
      this.#bytes -= bytes;
    });
  }
}

/** Streams with at least one valid row. */
function* streamsWithRows(rows: PushRows): Generator<ResolvedStream> {
  for (let index = 0; index < rows.streams.length; index++) {
    const end = rows.streamRowEnd(index);
    for (let row = rows.streamFirstRow[index]; row < end; row++) {
      if (rows.isRefused[row] === 1) continue;
      yield rows.streams[index];
      break;
    }
  }
}
