/** Port: the store of ring state: heartbeats of members. */

/**
 * Stores ring state in Redis or in the memory of one process. Each member has one entry, small and opaque.
 */
export interface RingStore {
  /** All entries of a ring by the ids of its members. */
  entries(key: string): Promise<ReadonlyMap<string, string>>;
  /** undefined when the member has no entry. */
  get(key: string, id: string): Promise<string | undefined>;
  /** Writes one member's entry. */
  put(entry: RingPut): Promise<void>;
  /**
   * Removes an entry that is still `value`, and notifies watchers. False: the entry has changed, or is
   * absent.
   */
  remove(key: string, id: string, value: string): Promise<boolean>;
  /**
   * Calls back with entries that were put as news (undefined: removed), by id. A message may be lost:
   * watchers also read all entries from time to time. Without entries: messages may have been lost just now.
   * Returns a function that ends the subscription.
   */
  watch(key: string, onNews: (news: RingNews | undefined) => void): () => void;
  close(): Promise<void>;
}

/** New entries by id; undefined: removed. */
export type RingNews = ReadonlyMap<string, string | undefined>;

/** One entry to be written. */
export interface RingPut {
  readonly key: string;
  /** Id of the member. */
  readonly id: string;
  readonly value: string;
  /**
   * Watchers receive the change. A heartbeat is no change: watchers find it with their next read of all
   * entries.
   */
  readonly isNews: boolean;
}
