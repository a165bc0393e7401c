/** The mark of the one embedded write log whose offsets this object store counts. */
import { ByteWriter } from '@loki/bytes';
import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import { numbered, numberOf } from '../logs/keys.ts';
import { decode, appendChecksum } from '../logs/manifest.ts';

/** A write log that owns or owned a store. */
export interface StoreOwner {
  /** The log's identity, 32 hex digits: it stays with the log's directory. */
  readonly logId: string;
  /** Host and directory, for people. */
  readonly place: string;
  readonly sinceMs: number;
}

const prefix = 'catalog/owners/';
/** `LOE1`. The last byte is the version. */
const magic = 0x3145_4f4c;
/**
 * Maximum of attempts: other processes may take the store at the same moment, but not this often by chance.
 */
const attemptsMax = 16;

/**
 * The owner of the store: numbered objects, each created once; the newest counts. Two embedded logs use the
 * same offsets, so that each would skip records whose offsets the other has committed.
 */
export class OwnerMark {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Undefined: no version with marks has used the store with an embedded log. */
  async current(signal?: AbortSignal): Promise<StoreOwner | undefined> {
    const number = await this.#newest(signal);
    return number === 0 ? undefined : this.#read(number, signal);
  }

  /** Marks a store without an owner; returns its owner, which may be another log. */
  async claim(owner: StoreOwner, signal?: AbortSignal): Promise<StoreOwner> {
    const current = await this.current(signal);
    if (current) return current;
    return (await this.#create(1, owner, signal)) ? owner : this.#read(1, signal);
  }

  /** Makes `owner` the owner, regardless of the former one. */
  async move(owner: StoreOwner, signal?: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const number = await this.#newest(signal);
      if (await this.#create(number + 1, owner, signal)) return;
    }
    throw new LokiError('unavailable', 'the mark of the store’s owner: other processes kept moving it first');
  }

  async #newest(signal: AbortSignal | undefined): Promise<number> {
    let number = 0;
    for await (const { key } of this.#store.list(prefix)) {
      signal?.throwIfAborted();
      number = numberOf(key) ?? number;
    }
    return number;
  }

  #create(number: number, owner: StoreOwner, signal: AbortSignal | undefined): Promise<boolean> {
    const writer = new ByteWriter(128);
    writer.u32(magic);
    writer.uvarint(number);
    writer.uvarint(owner.sinceMs);
    writer.sizedText(owner.logId);
    writer.sizedText(owner.place);
    return this.#store.putIfAbsent(numbered(prefix, number), appendChecksum(writer), signal);
  }

  async #read(number: number, signal: AbortSignal | undefined): Promise<StoreOwner> {
    const key = numbered(prefix, number);
    return decode(await this.#store.get(key, signal), key, magic, (reader) => {
      if (reader.uvarint() !== number) throw new Error('the number is not that of the key');
      const sinceMs = reader.uvarint();
      return { sinceMs, logId: reader.sizedText(), place: reader.sizedText() };
    });
  }
}

/**
 * The refusal of a second log, with the remedy.
 *
 * @param storeWords the words with which lokictl opens this store; without them it would open the default one
 */
export function foreignOwnerText(owner: StoreOwner, thisOwner: StoreOwner, storeWords: string): string {
  const since = new Date(owner.sinceMs).toISOString();
  return (
    `the object store belongs to the write log ${owner.logId} (${owner.place}, since ${since}), this process has ${thisOwner.logId} (${thisOwner.place}): ` +
    'two processes with embedded write logs lose lines of each other on one store. Give this process a bucket or a storage prefix of its own, ' +
    `or let both share one Kafka log. When the other process has stopped for good: lokictl owner move --to ${thisOwner.logId} ${storeWords}`
  );
}
