/** The parts of an OTLP logs request, as its decoder hands them on. */

/** An OTLP `AnyValue`: int64 is a bigint, double a number, an empty value undefined. */
export type OtlpValue = undefined | string | boolean | bigint | number | Uint8Array | OtlpArray | OtlpMap;

/** An OTLP array. A class of its own, so that it cannot be taken for bytes or a map. */
export class OtlpArray {
  readonly values: readonly OtlpValue[];
  constructor(values: readonly OtlpValue[]) {
    this.values = values;
  }
}

/** An OTLP map in wire order. A key may occur several times. */
export class OtlpMap {
  readonly pairs: readonly OtlpAttribute[];
  constructor(pairs: readonly OtlpAttribute[]) {
    this.pairs = pairs;
  }
}

/** One attribute of a resource, a scope or a record. */
export interface OtlpAttribute {
  readonly key: string;
  readonly value: OtlpValue;
}

/** The sender of the records that follow. */
export interface OtlpResource {
  readonly attributes: readonly OtlpAttribute[];
  readonly droppedAttributesCount: number;
}

/** The instrumentation scope of the records that follow. */
export interface OtlpScope extends OtlpResource {
  readonly name: string;
  readonly version: string;
}

/**
 * One log record. The decoder reuses a single object for all of them: a sink copies the fields that it needs
 * later.
 */
export interface OtlpRecord {
  timeNs: bigint;
  observedTimeNs: bigint;
  severityNumber: number;
  severityText: string;
  /** undefined when the body is the string in bytes[lineStart .. lineEnd) of the request. */
  body: OtlpValue;
  /** -1: the body is not a range of the request's bytes. */
  lineStart: number;
  lineEnd: number;
  attributes: readonly OtlpAttribute[];
  droppedAttributesCount: number;
  flags: number;
  /** Lower-case hex, '' when absent. */
  traceId: string;
  spanId: string;
  eventName: string;
}

/**
 * Receives the parts of a logs request as they are decoded: each resource before its scopes, each scope
 * before its records.
 */
export interface OtlpLogsSink {
  resource(resource: OtlpResource): void;
  scope(scope: OtlpScope): void;
  record(record: OtlpRecord): void;
}

/** A record without contents, for the decoder to fill. */
export function emptyOtlpRecord(): OtlpRecord {
  return {
    timeNs: 0n,
    observedTimeNs: 0n,
    severityNumber: 0,
    severityText: '',
    body: undefined,
    lineStart: -1,
    lineEnd: -1,
    attributes: [],
    droppedAttributesCount: 0,
    flags: 0,
    traceId: '',
    spanId: '',
    eventName: '',
  };
}

export const noAttributes: readonly OtlpAttribute[] = [];
