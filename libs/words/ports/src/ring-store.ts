/** Where ring state is kept: Redis, or memory in one process. Values are small and opaque. */
export interface RingStore {
  /** undefined when there is none. `version` changes with each write. */
  get(key: string): Promise<{ value: string; version: string } | undefined>;
  /** Writes when `version` still stands (undefined: when there is no value). False: somebody was faster. */
  compareAndSet(key: string, value: string, version: string | undefined): Promise<boolean>;
  /** Calls back after each change of `key` (also with the current value at first); returns how to stop. */
  watch(key: string, onChange: (value: string | undefined) => void): () => void;
  close(): Promise<void>;
}
