/** Wire types: messages between processes (generated), pushes, OTLP, and Go's error texts for bad bytes. */
export { decodeOtlpLogs, otlpValueDepthMax } from './otlp-logs.ts';
export { emptyOtlpRecord, OtlpArray, OtlpMap } from './otlp-types.ts';
export type {
  OtlpAttribute,
  OtlpLogsSink,
  OtlpRecord,
  OtlpResource,
  OtlpScope,
  OtlpValue,
} from './otlp-types.ts';
export { bytesField, decodePushRequest, encodePushRequest, varintField } from './push-request.ts';
export type { PushSink } from './push-request.ts';
export { encodeStatus } from './status.ts';
export { ProtoError, WireCursor } from './wire.ts';
export { fileDescriptorSet } from './generated/descriptors.ts';
export { DistributorDefinition, PushAnswer, PushHead, PushPart } from './generated/lokits/v1/distributor.ts';
export { ErrorInfo, Status } from './generated/lokits/v1/error.ts';
export { FrontendDefinition, FromQuerier, ToQuerier, Work } from './generated/lokits/v1/frontend.ts';
export {
  CatalogNewsAnswer as WireCatalogNews,
  CatalogNumbers as WireCatalogNumbers,
  HeadLeafAnswer,
  HeadsPart,
  HeadStreamsAnswer,
  IngesterDefinition,
  SharedLogNumbers as WireSharedLogNumbers,
} from './generated/lokits/v1/ingester.ts';
export {
  CachePolicy as WireCachePolicy,
  LabelSet as WireLabelSet,
  LeafRequest as WireLeafRequest,
  LeafResult as WireLeafResult,
  LeafStats as WireLeafStats,
  LogResult as WireLogResult,
  Part,
  PartitionHeads as WirePartitionHeads,
  SampleResult as WireSampleResult,
  Series as WireSeries,
  StoredBytes as WireStoredBytes,
  StreamGrouping as WireStreamGrouping,
  StreamsRequest as WireStreamsRequest,
  StreamVolume as WireStreamVolume,
  TailFrame as WireTailFrame,
  Texts as WireTexts,
} from './generated/lokits/v1/leaf.ts';
export { PatternsAnswer, PatternsDefinition } from './generated/lokits/v1/patterns.ts';
export { StreamLimitsDefinition } from './generated/lokits/v1/stream-limits.ts';
export { RingStoreDefinition, RingValue } from './generated/lokits/v1/ring.ts';
export { RouteAnswer, RouteCall, RoutesDefinition } from './generated/lokits/v1/routes.ts';
export { RulerDefinition } from './generated/lokits/v1/ruler.ts';
export { encodeMessage } from './message.ts';
export type { MessageType } from './message.ts';
export { bytesPieces, nestedPieces, readSliced, repeatedPieces } from './sliced.ts';
