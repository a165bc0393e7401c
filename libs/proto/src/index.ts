export { decodeOtlpLogs, emptyOtlpRecord, OtlpArray, OtlpMap, otlpValueDepthMax } from './otlp-logs.ts';
export type {
  OtlpAttribute,
  OtlpLogsSink,
  OtlpRecord,
  OtlpResource,
  OtlpScope,
  OtlpValue,
} from './otlp-logs.ts';
export { bytesField, decodePushRequest, encodePushRequest, varintField } from './push-request.ts';
export type { PushRequestValue, PushSink } from './push-request.ts';
export { encodeStatus } from './status.ts';
export { ProtoError, WireCursor } from './wire.ts';
