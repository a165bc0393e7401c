/** Sizes of a push before it is decoded, as its body claims them: step *decode* of a written line. */
import { isSnappyPush } from './decode-push.ts';
import type { PushBody } from './decode-push.ts';
import { expectedBytesOf, firstRoomOf } from './read-body.ts';

/** A push before it is decoded. */
export interface PushSize {
  readonly body: PushBody;
  /** The push is decoded in another thread. */
  readonly isLarge: boolean;
  /** Decompressed bytes that the body claims. */
  readonly expectedBytes: number;
  /** Bytes of the first attempt to decode it in another thread. */
  readonly roomBytes: number;
  /** Decompressed bytes at which the attempt in this thread ends. */
  readonly inlineBytesMax: number;
}

interface SizeBounds {
  readonly decompressedBytesMax: number;
  readonly inlineBytesMax: number;
  readonly inlineOtlpBytesMax: number;
}

/**
 * A larger push of a tenant that exceeds its rate is decoded in another thread. It will probably be refused,
 * but only then its lines can be counted, which the answer names.
 */
const exceedingBytesMax = 64 * 1024;

export function pushSizeOf(body: PushBody, bounds: SizeBounds, isExceeding: boolean): PushSize {
  const { decompressedBytesMax } = bounds;
  const usual = body.kind === 'otlp' ? bounds.inlineOtlpBytesMax : bounds.inlineBytesMax;
  const inline = isExceeding ? Math.min(exceedingBytesMax, usual) : usual;
  const expected = expectedBytesOf(body.body, body.encoding, isSnappyPush(body));
  return {
    body,
    isLarge: expected > inline,
    expectedBytes: Math.min(expected, decompressedBytesMax),
    roomBytes: Math.min(firstRoomOf(body.encoding, { expected, inline }), decompressedBytesMax),
    inlineBytesMax: Math.min(decompressedBytesMax, inline),
  };
}
