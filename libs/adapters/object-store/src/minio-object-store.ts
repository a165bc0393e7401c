/** Objects in a bucket of an S3 server, with retries and deadlines. */
import type { IncomingMessage } from 'node:http';
import { LokiError, hasCode } from '@loki/model';
import type { ObjectInfo, ObjectStore, Random, Timers } from '@loki/ports';
import { checkKey, checkPrefix, checkRange } from './keys.ts';
import { requestsMax, RequestWindow } from './request-window.ts';
import {
  checkOrder,
  listingQuery,
  objectBytesMax,
  rangeOf,
  readBody,
  readListing,
  refusalOf,
} from './s3-answers.ts';
import type { ListingPage } from './s3-answers.ts';
import { DeadlineError, isExpiry, isRefusal, isRetryable, translate } from './s3-errors.ts';

/**
 * The part in use of the `minio` package's client (8.0.7). Create it with `retryOptions: {
 * disableRetry: true }`: this file retries, because it knows which calls may be repeated.
 */
export interface S3Client {
  putObject(
    bucket: string,
    key: string,
    bytes: Buffer,
    size: number,
    metadata: Record<string, string>,
  ): Promise<unknown>;
  makeRequestAsync(
    options: {
      method: string;
      bucketName: string;
      objectName?: string;
      query?: string;
      headers: Record<string, string>;
    },
    payload: string,
    expectedStatuses: number[],
  ): Promise<IncomingMessage>;
  removeObject(bucket: string, key: string): Promise<void>;
}

interface MinioObjectStoreOptions {
  readonly client: S3Client;
  readonly bucket: string;
  /** Called when the server reports expired keys. True: the next attempt has new keys. */
  readonly renewKeys?: () => boolean;
  /** S3's name of a storage class; absent: the bucket's own. */
  readonly storageClass?: string;
  readonly timers: Timers;
  readonly random: Random;
  /** Deadline of one attempt. Default 30 s. */
  readonly attemptMs?: number;
  /** Attempts of one call. Default 5, with pauses of about 0.1, 0.2, 0.4 and 0.8 s between. */
  readonly attemptsMax?: number;
  /** First pause; doubles up to 2 s. */
  readonly pauseMs?: number;
}

/** All HTTP statuses: for others the client would read the body to its end, regardless of its size. */
const anyStatus = Array.from({ length: 500 }, (_, index) => 100 + index);
/** Attempts of a request that the server refuses because it has too many: such answers come soon. */
const refusedAttemptsMax = 8;
const pauseMsMax = 2_000;
/** Pages of a listing without an object, in a row. */
const emptyPagesMax = 100;
/** Larger bodies are sent in parts, for which not all servers support create-if-absent. */
const createBytesMax = 16 << 20;

/**
 * Objects in a bucket of MinIO or anything else that speaks S3 and has conditional puts (`If-None-Match: *`).
 */
export class MinioObjectStore implements ObjectStore {
  readonly #options: MinioObjectStoreOptions;
  readonly #window = new RequestWindow(requestsMax);

  constructor(options: MinioObjectStoreOptions) {
    this.#options = options;
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkKey(key);
    await this.#attempts(key, signal, () => this.#putObject(key, bytes, {}));
  }

  async putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    checkKey(key);
    if (bytes.length > createBytesMax) {
      throw new LokiError('internal', `${key} is too large to be created at once`);
    }
    let attempt = 0;
    return this.#attempts(key, signal, async (attemptSignal) => {
      attempt++;
      try {
        await this.#putObject(key, bytes, { 'If-None-Match': '*' });
        return true;
      } catch (error) {
        if (!hasCode(error, 'PreconditionFailed')) throw error;
        // An earlier attempt without an answer may have created it.
        return attempt > 1 && (await this.#get(key, attemptSignal)).equals(bytes);
      }
    });
  }

  async get(key: string, signal?: AbortSignal): Promise<Buffer> {
    checkKey(key);
    return this.#attempts(key, signal, (attemptSignal) => this.#get(key, attemptSignal));
  }

  async getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    checkKey(key);
    checkRange(offset, length);
    if (length === 0) return Buffer.alloc(0);
    const range = `bytes=${offset}-${offset + length - 1}`;
    return this.#attempts(key, signal, async (attemptSignal) => {
      try {
        const { response, isPart } = await this.#request(key, { range }, attemptSignal);
        if (!isPart) {
          // The server does not support ranges: this is the whole object.
          return (await readBody(response, objectBytesMax, attemptSignal)).subarray(offset, offset + length);
        }
        const { first, last } = rangeOf(response);
        const bytes = await readBody(response, length, attemptSignal);
        if (first !== offset || bytes.length !== last - first + 1) throw new Error('bytes of another range');
        return bytes;
      } catch (error) {
        if (hasCode(error, 'InvalidRange')) return Buffer.alloc(0); // begins beyond the end
        throw error;
      }
    });
  }

  async getTail(
    key: string,
    length: number,
    signal?: AbortSignal,
  ): Promise<{ bytes: Buffer; sizeBytes: number }> {
    checkKey(key);
    checkRange(0, length);
    // A request for the last 0 bytes is invalid; the answer for one byte has the size as well.
    const tailBytes = Math.max(1, length);
    return this.#attempts(key, signal, async (attemptSignal) => {
      try {
        const { response, isPart } = await this.#request(
          key,
          { range: `bytes=-${tailBytes}` },
          attemptSignal,
        );
        const part = isPart ? rangeOf(response) : undefined;
        const bytes = await readBody(response, part ? tailBytes : objectBytesMax, attemptSignal);
        if (part && (part.last !== part.sizeBytes - 1 || bytes.length !== part.last - part.first + 1)) {
          throw new Error('bytes of another range');
        }
        const tail = bytes.subarray(Math.max(0, bytes.length - length));
        return { bytes: tail, sizeBytes: part?.sizeBytes ?? bytes.length };
      } catch (error) {
        // An empty object.
        if (hasCode(error, 'InvalidRange')) return { bytes: Buffer.alloc(0), sizeBytes: 0 };
        throw error;
      }
    });
  }

  async *list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix);
    let lastKey = startAfter ?? '';
    let token: string | undefined;
    for (let empty = 0; empty < emptyPagesMax;) {
      const page = await this.#page(prefix, lastKey, token);
      for (const object of page.objects) {
        try {
          checkOrder(object.key, prefix, lastKey);
        } catch (error) {
          throw translate(prefix, error);
        }
        yield object;
        lastKey = object.key;
      }
      if (!page.hasNext) return;
      // Continues after the last key, independent of the server's token; a page without keys needs the token.
      token = page.objects.length === 0 ? page.token : undefined;
      empty = page.objects.length === 0 ? empty + 1 : 0;
    }
    throw translate(prefix, new Error(`${emptyPagesMax} pages of a listing without an object`));
  }

  #page(prefix: string, after: string, token: string | undefined): Promise<ListingPage> {
    const { client, bucket } = this.#options;
    return this.#attempts(prefix, undefined, async (attemptSignal) => {
      const query = listingQuery(prefix, after, token);
      const options = { method: 'GET', bucketName: bucket, query, headers: {} };
      const response = await client.makeRequestAsync(options, '', anyStatus);
      if (response.statusCode !== 200) throw await refusalOf(response, attemptSignal);
      return readListing(response, attemptSignal);
    });
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    const { client, bucket } = this.#options;
    try {
      await this.#attempts(key, undefined, () => client.removeObject(bucket, key));
    } catch (error) {
      if (!(error instanceof LokiError) || error.code !== 'notFound') throw error;
    }
  }

  async #putObject(key: string, bytes: Uint8Array, metadata: Record<string, string>): Promise<void> {
    const { client, bucket, storageClass } = this.#options;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const headers = storageClass ? { ...metadata, 'X-Amz-Storage-Class': storageClass } : metadata;
    await client.putObject(bucket, key, buffer, buffer.length, headers);
  }

  async #get(key: string, attemptSignal: AbortSignal): Promise<Buffer> {
    const { response } = await this.#request(key, {}, attemptSignal);
    return readBody(response, objectBytesMax, attemptSignal);
  }

  /** @throws S3Error when the server refuses */
  async #request(
    key: string,
    headers: Record<string, string>,
    attemptSignal: AbortSignal,
  ): Promise<{ response: IncomingMessage; isPart: boolean }> {
    const { client, bucket } = this.#options;
    const options = { method: 'GET', bucketName: bucket, objectName: key, headers };
    const response = await client.makeRequestAsync(options, '', anyStatus);
    const isPart = response.statusCode === 206 && headers['range'] !== undefined;
    if (response.statusCode !== 200 && !isPart) throw await refusalOf(response, attemptSignal);
    return { response, isPart };
  }

  /** Runs `action` until it succeeds, fails finally, runs out of attempts, or the caller gives up. */
  async #attempts<T>(
    key: string,
    signal: AbortSignal | undefined,
    action: (attemptSignal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { attemptsMax = 5, renewKeys } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const entry = await this.#window.enter(signal);
      let isRefused = false;
      try {
        signal?.throwIfAborted();
        return await this.#withDeadline(key, signal, action);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        isRefused = isRefusal(error);
        const isMended = isExpiry(error) && renewKeys?.() === true;
        const most = isRefused ? Math.max(attemptsMax, refusedAttemptsMax) : attemptsMax;
        if (!(isMended || isRetryable(error)) || attempt >= most) throw translate(key, error);
      } finally {
        this.#window.leave(entry, isRefused);
      }
      await this.#pause(attempt, signal);
    }
  }

  /**
   * Runs one attempt with a deadline. The client cannot cancel a request; the answer to an abandoned one is
   * closed when it arrives.
   *
   * @param action receives a signal that aborts when its attempt has ended
   */
  async #withDeadline<T>(
    key: string,
    signal: AbortSignal | undefined,
    action: (attemptSignal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { timers, attemptMs = 30_000 } = this.#options;
    const { promise: timeout, reject } = Promise.withResolvers<never>();
    const attempt = new AbortController();
    const end = (reason: unknown): void => {
      reject(reason);
      attempt.abort(reason);
    };
    const onAbort = (): void => end(signal!.reason);
    const deadline = timers.after(attemptMs, () =>
      end(new DeadlineError(`${key}: no answer in ${attemptMs} ms`)),
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([action(attempt.signal), timeout]);
    } finally {
      deadline.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    const { timers, random, pauseMs = 100 } = this.#options;
    const meanMs = Math.min(pauseMsMax, pauseMs * 2 ** (attempt - 1));
    await timers.sleep(meanMs * (0.5 + random.float()), signal);
  }
}
