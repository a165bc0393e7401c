/** Port: the store of ring state: heartbeats and tokens of members. */

/** Stores ring state in Redis or in the memory of one process. Values are small and opaque. */
export interface RingStore {
  /** The value of `key`; undefined when there is none. `version` changes with each write. */
  get(key: string): Promise<{ value: string; version: string } | undefined>;
  /**
   * Writes if the stored version is still `version` (undefined: if there is no value). False: another process
   * wrote first.
   */
  compareAndSet(key: string, value: string, version: string | undefined): Promise<boolean>;
  /**
   * Calls `onChange` with the current value, then after each change of `key`. Returns a function that stops
   * it.
   */
  watch(key: string, onChange: (value: string | undefined) => void): () => void;
  close(): Promise<void>;
}
