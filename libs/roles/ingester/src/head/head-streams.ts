/** The streams of a head in columns: step *consume* of a written line. */
import type { LabelPair } from '@loki/model';
import type { EntryHasher } from './entry-hasher.ts';
import { grown } from './grown.ts';
import { LabelValues } from './label-values.ts';
import type { LabelName } from './label-values.ts';

/** The streams of one tenant in a head. */
export interface TenantStreams {
  readonly tenant: string;
  readonly names: Map<string, LabelName>;
  /** Numbers of its streams, and of their rows. */
  count: number;
  rows: number;
  /** The first stream of its list; -1: none. */
  first: number;
  /** The time span of its rows, in microseconds, inclusive. */
  minUs: number;
  maxUs: number;
}

/**
 * A stream in the form of a record: its hash, and the numbers of its label values in order of their names.
 */
export interface StreamKey {
  readonly high: number;
  readonly low: number;
  /** Its values are values[start .. end). */
  readonly values: Int32Array;
  readonly start: number;
  readonly end: number;
}

const none = -1;

/**
 * The streams of a head as columns: a stream is a number, its labels are numbers of values. Some 120 bytes a
 * stream, and no object. Numbers of dropped streams are reused.
 */
export class HeadStreams {
  readonly values: LabelValues;
  readonly tenants = new Map<string, TenantStreams>();
  #size = 0;
  /** Numbers in use so far, those of dropped streams included. */
  #end = 0;
  readonly #freeStreams: number[] = [];
  readonly #tenantOf: (TenantStreams | undefined)[] = [];
  #high = new Uint32Array(0);
  #low = new Uint32Array(0);
  #firstPair = new Uint32Array(0);
  #pairCount = new Uint32Array(0);
  /** The next stream of the same bucket, and the neighbours in the tenant's list. */
  #nextInBucket = new Int32Array(0);
  #next = new Int32Array(0);
  #previous = new Int32Array(0);
  #buckets = new Int32Array(16).fill(none);
  /**
   * Pairs of a stream are consecutive: the number of a value, and the neighbours in the list of that value.
   */
  #pairEnd = 0;
  /** First pairs of dropped streams, by number of pairs. */
  readonly #freePairs = new Map<number, number[]>();
  #pairValue = new Int32Array(0);
  #pairStream = new Int32Array(0);
  #nextPair = new Int32Array(0);
  #previousPair = new Int32Array(0);

  constructor(hasher: EntryHasher) {
    this.values = new LabelValues(hasher);
  }

  get size(): number {
    return this.#size;
  }

  /** All numbers of streams are below it. */
  get end(): number {
    return this.#end;
  }

  /** Whether a stream has the number now. */
  isThere(stream: number): boolean {
    return this.#tenantOf[stream] !== undefined;
  }

  /** The tenant of a present stream. */
  tenantOf(stream: number): TenantStreams {
    return this.#tenantOf[stream]!;
  }

  /** 53 bits of the stream's hash. */
  hash(stream: number): number {
    return hash53(this.#high[stream], this.#low[stream]);
  }

  labelCount(stream: number): number {
    return this.#pairCount[stream];
  }

  /** The value of the label at a place in the order of names. */
  valueAt(stream: number, place: number): number {
    return this.#pairValue[this.#firstPair[stream] + place];
  }

  /** The value of a label; undefined: the stream lacks it. */
  valueOf(stream: number, name: LabelName): number | undefined {
    for (let place = 0; place < this.#pairCount[stream]; place++) {
      const value = this.valueAt(stream, place);
      if (this.values.name(value) === name) return value;
    }
    return undefined;
  }

  /** @param pairOfValue cache of pairs by the number of the value: streams share them */
  pairs(stream: number, pairOfValue: Map<number, LabelPair>): LabelPair[] {
    const pairs: LabelPair[] = [];
    for (let place = 0; place < this.#pairCount[stream]; place++) {
      const value = this.valueAt(stream, place);
      let pair = pairOfValue.get(value);
      if (!pair) pairOfValue.set(value, (pair = [this.values.name(value).text, this.values.text(value)]));
      pairs.push(pair);
    }
    return pairs;
  }

  /** Visits the tenant's streams in no order. The callback may drop any stream, the visited one included. */
  *ofTenant({ first }: TenantStreams): Generator<number> {
    for (let stream = first; stream !== none;) {
      const next = this.#next[stream];
      yield stream;
      stream = next;
    }
  }

  /** Streams with a value, in no order. */
  *withValue(value: number): Generator<number> {
    for (let pair = this.values.firstPair(value); pair !== none; pair = this.#nextPair[pair]) {
      yield this.#pairStream[pair];
    }
  }

  /** The number of a present stream; -1: absent. */
  find(tenant: TenantStreams | undefined, key: StreamKey): number {
    if (!tenant) return none;
    const { high, low, values, start, end } = key;
    let stream = this.#buckets[low & (this.#buckets.length - 1)];
    for (; stream !== none; stream = this.#nextInBucket[stream]) {
      if (this.#low[stream] !== low || this.#high[stream] !== high) continue;
      if (this.#tenantOf[stream] !== tenant || this.#pairCount[stream] !== end - start) continue;
      let i = start;
      while (i < end && this.#pairValue[this.#firstPair[stream] + i - start] === values[i]) i++;
      if (i === end) return stream;
    }
    return none;
  }

  tenant(name: string): TenantStreams {
    let tenant = this.tenants.get(name);
    if (!tenant) {
      const span = { minUs: Infinity, maxUs: -Infinity };
      tenant = { tenant: name, names: new Map(), count: 0, rows: 0, first: none, ...span };
      this.tenants.set(name, tenant);
    }
    return tenant;
  }

  /** Adds an absent stream, all of whose values have numbers. */
  add(tenant: TenantStreams, { high, low, values, start, end }: StreamKey): number {
    if (this.#size === this.#buckets.length) this.#growBuckets();
    const stream = this.#freeStreams.pop() ?? this.#end++;
    if (stream === this.#high.length) this.#growStreams();
    this.#size++;
    tenant.count++;
    this.#tenantOf[stream] = tenant;
    this.#high[stream] = high;
    this.#low[stream] = low;
    this.#intoBucket(stream);
    this.#next[stream] = tenant.first;
    this.#previous[stream] = none;
    if (tenant.first !== none) this.#previous[tenant.first] = stream;
    tenant.first = stream;
    const first = this.#takePairs(end - start);
    this.#firstPair[stream] = first;
    this.#pairCount[stream] = end - start;
    for (let i = start; i < end; i++) this.#link(first + i - start, stream, values[i]);
    return stream;
  }

  delete(stream: number): void {
    const tenant = this.#tenantOf[stream]!;
    this.#tenantOf[stream] = undefined;
    this.#size--;
    this.#outOfBucket(stream);
    const [next, previous] = [this.#next[stream], this.#previous[stream]];
    if (previous === none) tenant.first = next;
    else this.#next[previous] = next;
    if (next !== none) this.#previous[next] = previous;
    const first = this.#firstPair[stream];
    const count = this.#pairCount[stream];
    for (let pair = first; pair < first + count; pair++) this.#unlink(tenant, pair);
    const free = this.#freePairs.get(count);
    if (free) free.push(first);
    else this.#freePairs.set(count, [first]);
    this.#freeStreams.push(stream);
    if (--tenant.count === 0) this.tenants.delete(tenant.tenant);
  }

  #link(pair: number, stream: number, value: number): void {
    const next = this.values.firstPair(value);
    this.#pairValue[pair] = value;
    this.#pairStream[pair] = stream;
    this.#nextPair[pair] = next;
    this.#previousPair[pair] = none;
    if (next !== none) this.#previousPair[next] = pair;
    this.values.linked(value, pair);
  }

  #unlink(tenant: TenantStreams, pair: number): void {
    const value = this.#pairValue[pair];
    const [next, previous] = [this.#nextPair[pair], this.#previousPair[pair]];
    if (next !== none) this.#previousPair[next] = previous;
    if (previous !== none) this.#nextPair[previous] = next;
    const name = this.values.name(value);
    const first = previous === none ? next : this.values.firstPair(value);
    if (!this.values.unlinked(value, first) && name.values.size === 0) tenant.names.delete(name.text);
  }

  #takePairs(count: number): number {
    const free = this.#freePairs.get(count)?.pop();
    if (free !== undefined) return free;
    const first = this.#pairEnd;
    this.#pairEnd += count;
    while (this.#pairEnd > this.#pairValue.length) {
      this.#pairValue = grown(this.#pairValue);
      this.#pairStream = grown(this.#pairStream);
      this.#nextPair = grown(this.#nextPair);
      this.#previousPair = grown(this.#previousPair);
    }
    return first;
  }

  #growStreams(): void {
    this.#high = grown(this.#high);
    this.#low = grown(this.#low);
    this.#firstPair = grown(this.#firstPair);
    this.#pairCount = grown(this.#pairCount);
    this.#nextInBucket = grown(this.#nextInBucket);
    this.#next = grown(this.#next);
    this.#previous = grown(this.#previous);
  }

  #growBuckets(): void {
    this.#buckets = new Int32Array(this.#buckets.length * 2).fill(none);
    for (let stream = 0; stream < this.#end; stream++) if (this.isThere(stream)) this.#intoBucket(stream);
  }

  #intoBucket(stream: number): void {
    const bucket = this.#low[stream] & (this.#buckets.length - 1);
    this.#nextInBucket[stream] = this.#buckets[bucket];
    this.#buckets[bucket] = stream;
  }

  #outOfBucket(stream: number): void {
    const bucket = this.#low[stream] & (this.#buckets.length - 1);
    const next = this.#nextInBucket[stream];
    let at = this.#buckets[bucket];
    if (at === stream) this.#buckets[bucket] = next;
    else {
      while (this.#nextInBucket[at] !== stream) at = this.#nextInBucket[at];
      this.#nextInBucket[at] = next;
    }
  }
}

/** A number of 53 bits from the two halves of a hash. */
export function hash53(high: number, low: number): number {
  return (high & 0x1f_ffff) * 2 ** 32 + low;
}
