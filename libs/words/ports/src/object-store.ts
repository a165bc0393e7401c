/** Port: the object store, where segments, the catalog and rules live. */

/** Key and size of an object, as a listing returns them. */
export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
}

/**
 * A bucket. Keys are `/`-separated, each part made of `A-Za-z0-9!-_.*'()` and not `.` or `..`. No key may be
 * the parent of another key (`a` and `a/b`), because some stores cannot list both. An object is immutable
 * once created, except the few keys that one caller owns and overwrites by `put`. The adapter gives every
 * call a deadline and honours `signal`.
 */
export interface ObjectStore {
  put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Creates `key` unless it exists. True: created, and durable. False: the key existed already. */
  putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean>;
  /** The whole object; LokiError `notFound` when there is none. */
  get(key: string, signal?: AbortSignal): Promise<Buffer>;
  /** Exactly `length` bytes from `offset`; fewer only at the object's end. */
  getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer>;
  /**
   * The last `length` bytes (or all, if the object is shorter), with its size: so one request reads a footer.
   */
  getTail(key: string, length: number, signal?: AbortSignal): Promise<{ bytes: Buffer; sizeBytes: number }>;
  /** Keys with `prefix`, in byte order, after `startAfter` when given. */
  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo>;
  /** Deletes an object. A missing object is no error. */
  delete(key: string): Promise<void>;
}
