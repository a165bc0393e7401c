import type { Limits, OtlpAction } from '@loki/config';
import { compareText, type LabelPair } from '@loki/model';
import {
  decodeOtlpLogs,
  type OtlpAttribute,
  type OtlpLogsSink,
  OtlpMap,
  type OtlpRecord,
  type OtlpResource,
  type OtlpScope,
  type OtlpValue,
} from '@loki/proto';
import { decodeOtlpJson } from './decode-otlp-json.ts';
import { labelTextOfPairs } from './label-text.ts';
import type { MetadataNames } from './metadata-names.ts';
import type { OtlpActions } from './otlp-actions.ts';
import { otlpText } from './otlp-text.ts';
import type { PushRows } from './push-rows.ts';
import type { StreamLookup } from './stream-cache.ts';

/** What decoding an OTLP request needs besides its bytes. */
export interface OtlpContext {
  readonly streams: StreamLookup;
  readonly limits: Limits;
  readonly actions: OtlpActions;
  readonly names: MetadataNames;
  /** For records without any time. */
  readonly nowNs: bigint;
}

/** Decodes a protobuf or JSON logs request into `rows`: both go through one model. */
export function decodeOtlpPush(body: Buffer, isJson: boolean, rows: PushRows, context: OtlpContext): void {
  rows.start(body, context.streams);
  const sink = new OtlpRows(rows, context);
  if (isJson) decodeOtlpJson(body, sink);
  else decodeOtlpLogs(body, sink);
  sink.end();
}

const noPairs: readonly LabelPair[] = [];
const nanosPerSecond = 1_000_000_000n;

/**
 * Turns resources, scopes and records into streams and rows. Metadata of a row: scope's, then resource's, then the
 * record's own, so that of equal names the nearest to the record counts.
 */
class OtlpRows implements OtlpLogsSink {
  readonly #rows: PushRows;
  readonly #context: OtlpContext;
  readonly #actions: OtlpActions;
  #resourceLabels: readonly LabelPair[] = noPairs;
  #resourceMetadata: readonly LabelPair[] = noPairs;
  #scopeMetadata: readonly LabelPair[] = noPairs;
  /** Text of the open stream's labels; undefined: no stream is open. */
  #openText: string | undefined;
  #resourceText = '';

  constructor(rows: PushRows, context: OtlpContext) {
    this.#rows = rows;
    this.#context = context;
    this.#actions = context.actions;
  }

  resource(resource: OtlpResource): void {
    const labels: LabelPair[] = [];
    const metadata: LabelPair[] = [];
    for (const { key, value } of resource.attributes)
      this.#place(key, value, this.#actions.resource.of(key), labels, metadata);
    this.#resourceLabels = labels;
    this.#resourceMetadata = metadata;
    this.#resourceText = textOf(labels);
    this.#scopeMetadata = noPairs;
  }

  scope(scope: OtlpScope): void {
    const metadata: LabelPair[] = [];
    for (const { key, value } of scope.attributes)
      this.#place(key, value, this.#actions.scope.of(key), undefined, metadata);
    if (scope.name !== '') metadata.push(['scope_name', scope.name]);
    if (scope.version !== '') metadata.push(['scope_version', scope.version]);
    if (scope.droppedAttributesCount > 0)
      metadata.push(['scope_dropped_attributes_count', String(scope.droppedAttributesCount)]);
    this.#scopeMetadata = metadata;
  }

  record(record: OtlpRecord): void {
    const rows = this.#rows;
    const severityAsLabel = this.#context.limits.otlp.severityTextAsLabel && record.severityText !== '';
    const labels: LabelPair[] = [];
    const own: LabelPair[] = [];
    for (const { key, value } of record.attributes)
      this.#place(key, value, this.#actions.record.of(key), labels, own);
    if (severityAsLabel) labels.push(['severity_text', record.severityText]);
    this.#openStream(labels.length === 0 ? this.#resourceText : textOf([...this.#resourceLabels, ...labels]));
    for (const [name, value] of this.#scopeMetadata) rows.addPair(name, value);
    for (const [name, value] of this.#resourceMetadata) rows.addPair(name, value);
    for (const [name, value] of own) rows.addPair(name, value);
    this.#addRecordFields(record, severityAsLabel);
    const givenNs = record.timeNs !== 0n ? record.timeNs : record.observedTimeNs || this.#context.nowNs;
    // Go's time is made of a signed number.
    const timeNs = BigInt.asIntN(64, givenNs);
    const nanos = Number(((timeNs % nanosPerSecond) + nanosPerSecond) % nanosPerSecond);
    const seconds = Number((timeNs - BigInt(nanos)) / nanosPerSecond);
    if (record.lineStart >= 0) rows.addEntry(seconds, nanos, record.lineStart, record.lineEnd);
    else rows.addTextEntry(seconds, nanos, otlpText(record.body));
  }

  /** Closes the last stream. */
  end(): void {
    if (this.#openText === undefined) return;
    this.#rows.endResolved(this.#context.streams.ofText(this.#openText));
    this.#openText = undefined;
  }

  #openStream(text: string): void {
    if (this.#openText === text) return;
    this.end();
    this.#rows.startStream();
    this.#openText = text;
  }

  #addRecordFields(record: OtlpRecord, severityAsLabel: boolean): void {
    const rows = this.#rows;
    if (record.timeNs !== 0n && record.observedTimeNs !== 0n)
      rows.addPair('observed_timestamp', String(record.observedTimeNs));
    if (record.severityNumber !== 0) rows.addPair('severity_number', String(record.severityNumber));
    if (record.severityText !== '' && !severityAsLabel) rows.addPair('severity_text', record.severityText);
    if (record.droppedAttributesCount !== 0)
      rows.addPair('dropped_attributes_count', String(record.droppedAttributesCount));
    if (record.flags !== 0) rows.addPair('flags', String(record.flags));
    if (record.traceId !== '') rows.addPair('trace_id', record.traceId);
    if (record.spanId !== '') rows.addPair('span_id', record.spanId);
    if (record.eventName !== '') rows.addPair('event_name', record.eventName);
  }

  /** Puts an attribute where its action says; maps become one pair for each leaf. Empty values are dropped. */
  #place(
    key: string,
    value: OtlpValue,
    action: OtlpAction,
    labels: LabelPair[] | undefined,
    metadata: LabelPair[],
  ): void {
    if (action === 'drop') return;
    const target = action === 'index_label' && labels ? labels : metadata;
    flatten(key, value, (name, text) => {
      if (text !== '') target.push([this.#context.names.normalize(name), text]);
    });
  }
}

function flatten(key: string, value: OtlpValue, add: (name: string, text: string) => void): void {
  if (!(value instanceof OtlpMap)) {
    add(key, otlpText(value));
    return;
  }
  for (const pair of value.pairs as readonly OtlpAttribute[]) flatten(`${key}_${pair.key}`, pair.value, add);
}

/** Label text of pairs that may repeat a name: the last value counts. */
function textOf(pairs: readonly LabelPair[]): string {
  return labelTextOfPairs([...new Map(pairs)].sort((a, b) => compareText(a[0], b[0])));
}
