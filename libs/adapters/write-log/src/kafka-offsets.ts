import { LokiError } from '@loki/model';
import type { Random, Timers } from '@loki/ports';
import type { KafkaBrokers } from './kafka-cluster.ts';
import { kafkaErrorName, kafkaErrors, offsetsCall } from './kafka-protocol.ts';

interface KafkaOffsetsOptions {
  readonly cluster: KafkaBrokers;
  readonly timers: Timers;
  readonly random: Random;
  readonly which: 'start' | 'end';
}

const attemptsMax = 8;
const attemptTimeoutMs = 3_000;
const pauseMs = 50;

/**
 * Where partitions start or end now. Never from memory: an answer is asked for after the question came.
 * Questions that come while one is under way share the next one, so that there is one request at a time to
 * each broker.
 */
export class KafkaOffsets {
  readonly #options: KafkaOffsetsOptions;
  #wanted = new Set<number>();
  #running: Promise<Map<number, number | Error>> | undefined;
  #next: Promise<Map<number, number | Error>> | undefined;

  constructor(options: KafkaOffsetsOptions) {
    this.#options = options;
  }

  /** Rejects with LokiError `unavailable` when no leader says so within some seconds. */
  async of(partition: number): Promise<number> {
    this.#wanted.add(partition);
    this.#next ??= this.#afterRunning();
    const found = (await this.#next).get(partition);
    if (typeof found === 'number') return found;
    throw new LokiError(
      'unavailable',
      `kafka: the ${this.#options.which} of partition ${partition} is not known: ${found?.message ?? 'no answer'}`,
      { cause: found },
    );
  }

  async #afterRunning(): Promise<Map<number, number | Error>> {
    await this.#running;
    await Promise.resolve(); // who asks in the same turn is in
    this.#running = this.#next;
    this.#next = undefined;
    const wanted = this.#wanted;
    this.#wanted = new Set();
    return this.#ask(wanted);
  }

  /** Never rejects. */
  async #ask(wanted: ReadonlySet<number>): Promise<Map<number, number | Error>> {
    const { cluster, timers, random } = this.#options;
    const found = new Map<number, number | Error>();
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const open = [...wanted].filter((partition) => typeof found.get(partition) !== 'number');
      if (open.length === 0) return found;
      if (attempt > 1) {
        await timers.sleep(pauseMs * attempt * (0.5 + random.float()));
        await cluster.refresh().catch(() => undefined); // the next attempt says what is wrong
      }
      const byLeader = Map.groupBy(open, (partition) => cluster.leader(partition));
      await Promise.all([...byLeader].map(([leader, some]) => this.#askLeader(leader, some, found)));
    }
    return found;
  }

  async #askLeader(
    leader: number | undefined,
    partitions: readonly number[],
    found: Map<number, number | Error>,
  ): Promise<void> {
    const { cluster, which } = this.#options;
    try {
      if (leader === undefined) throw new Error('it has no leader');
      const connection = await cluster.connection(leader, 'offsets');
      const answer = await connection.request(
        offsetsCall(cluster.topic, partitions, which),
        attemptTimeoutMs,
      );
      for (const { partition, errorCode, offset } of answer.partitions) {
        found.set(partition, errorCode === kafkaErrors.none ? offset : new Error(kafkaErrorName(errorCode)));
      }
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      for (const partition of partitions) found.set(partition, failure);
    }
  }
}
