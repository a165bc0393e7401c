/** An object as a listing shows it. */
export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
}

/**
 * A bucket. Keys are `/`-separated, each part made of `A-Za-z0-9!-_.*'()` and not `.` or `..`.
 * No key is another one with `/` and more behind it: not every store lists both.
 * An object is immutable once put, but for the few keys that callers own alone and overwrite by `put`.
 * Every call has a deadline of its own inside the adapter and honours `signal`.
 */
export interface ObjectStore {
  put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * Creates `key` unless it exists. True: we made it. False: it was there before. Durable when it resolves.
   */
  putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean>;
  /** The whole object; LokiError `notFound` when there is none. */
  get(key: string, signal?: AbortSignal): Promise<Buffer>;
  /** Exactly `length` bytes from `offset`; fewer only at the object's end. */
  getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer>;
  /**
   * The last `length` bytes (or all, if the object is shorter), with its size: one request reads a footer.
   */
  getTail(key: string, length: number, signal?: AbortSignal): Promise<{ bytes: Buffer; sizeBytes: number }>;
  /** Keys with `prefix`, in byte order, after `startAfter` when given. */
  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo>;
  /** Deleting what does not exist is no error. */
  delete(key: string): Promise<void>;
}
