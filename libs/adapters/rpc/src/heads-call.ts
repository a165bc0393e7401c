/** Joins questions about several partitions to one call of an ingester: step *select* of a query. */
import { LokiError } from '@loki/model';
import type { HeadsPart } from '@loki/proto';
import { PartJoiner, slicesOf } from './parts.ts';
import { errorOfStatus, statusOf } from './status.ts';

/** One question about several partitions, before it is sent. */
interface Batch {
  readonly questions: Map<number, Asked>;
  /** Aborts when all callers have given up. */
  readonly cancel: AbortController;
}

interface Asked {
  readonly answer: PromiseWithResolvers<Uint8Array>;
  readonly joiner: PartJoiner;
}

/** Sends questions to an ingester. */
export interface HeadsTransport<Request> {
  /** Asks about one partition. */
  single(partition: number, request: Request, signal: AbortSignal | undefined): Promise<Uint8Array>;
  several(partitions: readonly number[], request: Request, signal: AbortSignal): AsyncIterable<HeadsPart>;
}

/**
 * Joins questions to one ingester with the same request in one turn of the event loop: a call costs more than
 * most answers (16 partitions with a call each: 6.3 ms of CPU on both ends together).
 */
export class HeadsCaller<Request extends object> {
  readonly #transport: HeadsTransport<Request>;
  readonly #open = new Map<Request, Batch>();
  /** The peer has an older version, whose calls have one partition each. */
  #isOld = false;

  constructor(transport: HeadsTransport<Request>) {
    this.#transport = transport;
  }

  /** The partition's answer, encoded. */
  async ask(partition: number, request: Request, signal: AbortSignal | undefined): Promise<Uint8Array> {
    signal?.throwIfAborted();
    let batch = this.#open.get(request);
    // A repeated question about the same partition is a separate call.
    if (this.#isOld || batch?.questions.has(partition)) {
      return this.#transport.single(partition, request, signal);
    }
    if (!batch) {
      batch = { questions: new Map(), cancel: new AbortController() };
      this.#open.set(request, batch);
      void this.#send(request, batch);
    }
    const { questions, cancel } = batch;
    const answer = Promise.withResolvers<Uint8Array>();
    questions.set(partition, { answer, joiner: new PartJoiner() });
    const giveUp = () => {
      answer.reject(signal!.reason as Error);
      questions.delete(partition);
      if (questions.size === 0) cancel.abort(signal!.reason);
    };
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      return await answer.promise;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  /** Never rejects: failures go to the callers. */
  async #send(request: Request, { questions, cancel }: Batch): Promise<void> {
    // Questions of the same turn join the batch.
    await Promise.resolve();
    this.#open.delete(request);
    if (questions.size === 0) return;
    try {
      if (questions.size === 1) {
        const [[partition, { answer }]] = questions;
        answer.resolve(await this.#transport.single(partition, request, cancel.signal));
        return;
      }
      for await (const part of this.#transport.several([...questions.keys()], request, cancel.signal)) {
        const waiting = questions.get(part.partition);
        if (!waiting) continue; // given up
        if (part.error) waiting.answer.reject(errorOfStatus(part.error));
        else waiting.joiner.add(part.data);
        if (part.isLast) waiting.answer.resolve(waiting.joiner.take());
        if (part.isLast || part.error) questions.delete(part.partition);
      }
      this.#fail(questions, new LokiError('unavailable', 'an ingester ended its answer early'));
    } catch (error) {
      if (error instanceof LokiError && error.code === 'methodNotAllowed' && questions.size > 1) {
        this.#isOld = true;
        this.#askEach(request, questions, cancel.signal);
      } else this.#fail(questions, error);
    }
  }

  #askEach(request: Request, questions: ReadonlyMap<number, Asked>, signal: AbortSignal): void {
    for (const [partition, { answer }] of questions) {
      this.#transport.single(partition, request, signal).then(answer.resolve, answer.reject);
    }
  }

  #fail(questions: ReadonlyMap<number, Asked>, error: unknown): void {
    for (const { answer } of questions.values()) answer.reject(error as Error);
  }
}

/** Yields the answers of several partitions as they become ready; a failure does not delay the others. */
export async function* headsParts(
  partitions: readonly number[],
  answerOf: (partition: number) => Promise<readonly Uint8Array[]>,
): AsyncGenerator<HeadsPart> {
  const pending = new Map(
    partitions.map((partition) => [
      partition,
      answerOf(partition).then(
        (pieces) => ({ partition, pieces, error: undefined }),
        (error: unknown) => ({ partition, pieces: [], error: statusOf(error) }),
      ),
    ]),
  );
  while (pending.size > 0) {
    const { partition, pieces, error } = await Promise.race(pending.values());
    pending.delete(partition);
    if (error) {
      yield { partition, data: new Uint8Array(0), isLast: true, error };
      continue;
    }
    let remaining = pieces.reduce((sum, { length }) => sum + length, 0);
    for (const data of slicesOf(pieces)) {
      remaining -= data.length;
      yield { partition, data, isLast: remaining === 0, error: undefined };
    }
  }
}
