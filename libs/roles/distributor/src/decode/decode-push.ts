/** Chooses the decoder for a push by its content type: step *decode* of a written line. */
import type { Limits } from '@loki/config';
import { LokiError, nsPerMs, parseMediaType } from '@loki/model';
import { decodePushRequest, ProtoError } from '@loki/proto';
import type { MetadataNames } from '../rows/metadata-names.ts';
import type { PushRows } from '../rows/push-rows.ts';
import type { StreamLookup } from '../streams/stream-cache.ts';
import { decodeJsonPush } from './decode-json.ts';
import { decodeLegacyPush } from './decode-legacy.ts';
import { decodeOtlpPush } from './decode-otlp.ts';
import type { OtlpActions } from './otlp-actions-cache.ts';
import { readJsonBody, readOtlpBody, readSnappyBody } from './read-body.ts';
import type { BodyBounds } from './read-body.ts';
import type { SnappyDecoder } from './snappy-decoder.ts';

/** A push as it was received. */
export interface PushBody {
  readonly body: Buffer;
  readonly kind: 'push' | 'legacy' | 'otlp';
  readonly contentType: string;
  readonly encoding: string;
}

/** The surroundings of decoding, and the rows that it fills. */
interface DecodeContext {
  readonly rows: PushRows;
  readonly snappy: SnappyDecoder;
  readonly streams: StreamLookup;
  readonly limits: Pick<Limits, 'otlp'>;
  readonly actions: () => OtlpActions;
  readonly names: MetadataNames;
  readonly nowMs: number;
  readonly bounds: BodyBounds;
}

/** Any other content type is read as a snappy block of protobuf. */
export function isSnappyPush({ kind, contentType }: PushBody): boolean {
  return kind !== 'otlp' && parseMediaType(contentType) !== 'application/json';
}

/**
 * Decodes a body into columns, by path, content type and encoding.
 *
 * @throws LokiError for a body that is malformed or too large
 */
export function decodePush(push: PushBody, context: DecodeContext): void {
  const { body, kind, contentType, encoding } = push;
  const { rows, snappy, streams, bounds } = context;
  try {
    if (kind === 'otlp') {
      const isJson = contentType === 'application/json';
      if (!isJson && contentType !== 'application/x-protobuf') {
        throw new LokiError('badRequest', `content type: ${contentType} is not supported`);
      }
      decodeOtlpPush(readOtlpBody(body, encoding, bounds), isJson, rows, {
        ...context,
        actions: context.actions(),
        nowNs: BigInt(context.nowMs) * nsPerMs,
      });
    } else if (!isSnappyPush(push)) {
      const { bytes, cutText } = readJsonBody(body, encoding, bounds);
      const decode = kind === 'legacy' ? decodeLegacyPush : decodeJsonPush;
      decode(bytes, rows, streams, cutText);
    } else {
      const bytes = snappy.decode(readSnappyBody(body, encoding, bounds), bounds.decompressedBytesMax);
      rows.start(bytes, streams);
      decodePushRequest(bytes, rows);
    }
  } catch (error) {
    if (error instanceof ProtoError) throw new LokiError('badRequest', error.message, { cause: error });
    throw error;
  }
}
