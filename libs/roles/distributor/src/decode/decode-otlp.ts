/** Decodes OTLP logs, protobuf or JSON, into rows: step *decode* of a written line. */
import type { Limits, OtlpAction } from '@loki/config';
import { compareText, LokiError, nsPerSecond } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { decodeOtlpLogs, OtlpMap } from '@loki/proto';
import type {
  OtlpAttribute,
  OtlpLogsSink,
  OtlpRecord,
  OtlpResource,
  OtlpScope,
  OtlpValue,
} from '@loki/proto';
import { labelTextOfPairs } from '../json/label-text.ts';
import type { MetadataNames } from '../rows/metadata-names.ts';
import type { PushRows } from '../rows/push-rows.ts';
import type { StreamLookup } from '../streams/stream-cache.ts';
import { decodeOtlpJson } from './decode-otlp-json.ts';
import type { OtlpActions } from './otlp-actions-cache.ts';
import { otlpText } from './otlp-text.ts';

/** The surroundings of an OTLP request's decoding. */
interface OtlpContext {
  readonly streams: StreamLookup;
  readonly limits: Pick<Limits, 'otlp'>;
  readonly actions: OtlpActions;
  readonly names: MetadataNames;
  /** Time of records without a timestamp. */
  readonly nowNs: bigint;
}

/** Decodes a protobuf or JSON logs request into `rows`, both through one model. */
export function decodeOtlpPush(body: Buffer, isJson: boolean, rows: PushRows, context: OtlpContext): void {
  rows.start(body, context.streams);
  rows.hasValidNames = true;
  const sink = new OtlpRows(rows, context, Math.max(madeCharsMin, madeCharsPerByte * body.length));
  if (isJson) decodeOtlpJson(body, sink);
  else decodeOtlpLogs(body, sink);
  sink.end();
}

const noPairs: readonly LabelPair[] = [];
const noMetadata: readonly SizedPair[] = [];
/** Metadata with their UTF-8 bytes: those of resources and scopes are counted once, not for each record. */
type SizedPair = readonly [name: string, value: string, bytes: number];

/**
 * Characters of text that a request may produce by repetition, for each byte of its body: a map's key is
 * repeated in the name of each leaf, a resource's labels in each stream of its records. Maps of real agents
 * produce about one; a key of 1 MB over 10,000 leaves would produce 10,000.
 */
const madeCharsPerByte = 8;
/** The bound of small requests. */
const madeCharsMin = 1 << 20;

/**
 * Turns resources, scopes and records into streams and rows. Metadata of a row: the scope's, then the
 * resource's, then the record's own; of equal names the nearest to the record counts.
 */
class OtlpRows implements OtlpLogsSink {
  readonly #rows: PushRows;
  readonly #context: OtlpContext;
  readonly #actions: OtlpActions;
  #resourceLabels: readonly LabelPair[] = noPairs;
  #resourceMetadata: readonly SizedPair[] = noMetadata;
  #scopeMetadata: readonly SizedPair[] = noMetadata;
  /** Text of the open stream's labels; undefined: no stream is open. */
  #openText: string | undefined;
  #resourceText = '';
  /** Label texts of the resource's streams, by the labels that records add. */
  readonly #streamTexts = new Map<string, string>();
  readonly #madeCharsMax: number;
  #madeChars = 0;

  constructor(rows: PushRows, context: OtlpContext, madeCharsMax: number) {
    this.#rows = rows;
    this.#context = context;
    this.#actions = context.actions;
    this.#madeCharsMax = madeCharsMax;
  }

  resource(resource: OtlpResource): void {
    const labels: LabelPair[] = [];
    const metadata: LabelPair[] = [];
    for (const { key, value } of resource.attributes) {
      this.#place(key, value, this.#actions.resource.of(key), labels, metadata);
    }
    this.#resourceLabels = labels;
    this.#resourceMetadata = metadata.map(sized);
    this.#resourceText = textOf(labels);
    this.#streamTexts.clear();
    this.#scopeMetadata = noMetadata;
  }

  scope(scope: OtlpScope): void {
    const metadata: LabelPair[] = [];
    for (const { key, value } of scope.attributes) {
      this.#place(key, value, this.#actions.scope.of(key), undefined, metadata);
    }
    if (scope.name !== '') metadata.push(['scope_name', scope.name]);
    if (scope.version !== '') metadata.push(['scope_version', scope.version]);
    if (scope.droppedAttributesCount > 0) {
      metadata.push(['scope_dropped_attributes_count', String(scope.droppedAttributesCount)]);
    }
    this.#scopeMetadata = metadata.map(sized);
  }

  record(record: OtlpRecord): void {
    const rows = this.#rows;
    const severityAsLabel = this.#context.limits.otlp.severityTextAsLabel && record.severityText !== '';
    const labels: LabelPair[] = [];
    const own: LabelPair[] = [];
    for (const { key, value } of record.attributes) {
      this.#place(key, value, this.#actions.record.of(key), labels, own);
    }
    if (severityAsLabel) labels.push(['severity_text', record.severityText]);
    this.#openStream(labels.length === 0 ? this.#resourceText : this.#streamText(labels));
    for (const [name, value, bytes] of this.#scopeMetadata) rows.addSizedPair(name, value, bytes);
    for (const [name, value, bytes] of this.#resourceMetadata) rows.addSizedPair(name, value, bytes);
    for (const [name, value] of own) rows.addPair(name, value);
    this.#addRecordFields(record);
    const givenNs = record.timeNs !== 0n ? record.timeNs : record.observedTimeNs || this.#context.nowNs;
    // Go's time is a signed number.
    const timeNs = BigInt.asIntN(64, givenNs);
    const nanos = Number(((timeNs % nsPerSecond) + nsPerSecond) % nsPerSecond);
    const seconds = Number((timeNs - BigInt(nanos)) / nsPerSecond);
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

  /** Label text of the resource with a record's labels. */
  #streamText(labels: readonly LabelPair[]): string {
    const own = textOf(labels);
    let text = this.#streamTexts.get(own);
    if (text === undefined) {
      text = textOf([...this.#resourceLabels, ...labels]);
      this.#chargeChars(text.length, 'labels of streams');
      this.#streamTexts.set(own, text);
    }
    return text;
  }

  #addRecordFields(record: OtlpRecord): void {
    const rows = this.#rows;
    if (record.timeNs !== 0n && record.observedTimeNs !== 0n) {
      rows.addPair('observed_timestamp', String(record.observedTimeNs));
    }
    if (record.severityNumber !== 0) rows.addPair('severity_number', String(record.severityNumber));
    if (record.severityText !== '') rows.addPair('severity_text', record.severityText);
    if (record.droppedAttributesCount !== 0) {
      rows.addPair('dropped_attributes_count', String(record.droppedAttributesCount));
    }
    if (record.flags !== 0) rows.addPair('flags', String(record.flags));
    if (record.traceId !== '') rows.addPair('trace_id', record.traceId);
    if (record.spanId !== '') rows.addPair('span_id', record.spanId);
    if (record.eventName !== '') rows.addPair('event_name', record.eventName);
  }

  /**
   * Stores an attribute as its action says; a map becomes one pair for each leaf. Empty values are dropped.
   */
  #place(
    key: string,
    value: OtlpValue,
    action: OtlpAction,
    labels: LabelPair[] | undefined,
    metadata: LabelPair[],
  ): void {
    if (action === 'drop') return;
    const target = action === 'index_label' && labels ? labels : metadata;
    this.#flatten(key, value, target);
  }

  #flatten(name: string, value: OtlpValue, target: LabelPair[]): void {
    if (value instanceof OtlpMap) {
      for (const pair of value.pairs as readonly OtlpAttribute[]) {
        this.#chargeChars(name.length + 1 + pair.key.length, 'names of nested attributes');
        this.#flatten(`${name}_${pair.key}`, pair.value, target);
      }
      return;
    }
    const text = otlpText(value);
    if (text !== '') target.push([this.#nameOf(name), text]);
  }

  /** An invalid name is the sender's fault: exporters repeat any answer but 400 for minutes. */
  #nameOf(key: string): string {
    try {
      return this.#context.names.normalize(key);
    } catch (cause) {
      if (!(cause instanceof LokiError)) throw cause;
      throw new LokiError('badRequest', cause.message, { cause });
    }
  }

  #chargeChars(chars: number, origin: string): void {
    this.#madeChars += chars;
    if (this.#madeChars > this.#madeCharsMax) {
      throw new LokiError(
        'badRequest',
        `${origin} are too long: more than ${this.#madeCharsMax} characters in all`,
      );
    }
  }
}

function sized([name, value]: LabelPair): SizedPair {
  return [name, value, Buffer.byteLength(name) + Buffer.byteLength(value)];
}

/** Label text of pairs with repeated names: the last value counts. */
function textOf(pairs: readonly LabelPair[]): string {
  return labelTextOfPairs([...new Map(pairs)].sort((a, b) => compareText(a[0], b[0])));
}
