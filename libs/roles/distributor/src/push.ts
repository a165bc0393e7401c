/** A push in progress: the values that its steps share, from *decode* to *write log* of a written line. */
import type { Limits } from '@loki/config';
import type { TenantId } from '@loki/model';
import type { HttpRequest } from '@loki/ports';
import type { PushSize } from './decode/push-size.ts';
import type { Grant } from './push-room.ts';
import type { PushScratch } from './push-scratch.ts';
import type { PushFormat } from './respond.ts';
import type { Discards } from './rows/discards.ts';
import type { PushErrors } from './rows/push-errors.ts';

/** A push in progress: the results of its steps. */
export interface Push {
  readonly tenant: TenantId;
  readonly grant: Grant;
  readonly size: PushSize;
  readonly request: HttpRequest;
  readonly format: PushFormat;
  readonly scratch: PushScratch;
  readonly limits: Limits;
  readonly nowMs: number;
  readonly errors: PushErrors;
  readonly discards: Discards;
  /** Set for a backfill; its streams get this mark. */
  readonly backfillShard: string | undefined;
  /** Decoded in another thread, and written in slices. */
  isLarge: boolean;
  /** 400, or 429 when a refused row may be accepted later. */
  refusedStatus: number;
  /** Time until the client may repeat the push, if known. */
  retryAfterMs: number;
  /** Bytes of refused rows that the client sends again. */
  retriedBytes: number;
}
