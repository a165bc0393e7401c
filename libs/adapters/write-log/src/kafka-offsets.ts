/** Current first and last offsets of partitions. */
import { LokiError } from '@loki/model';
import type { Random, Timers } from '@loki/ports';
import type { KafkaBrokers } from './kafka-cluster.ts';
import { kafkaErrorName, kafkaErrors } from './kafka-errors.ts';
import { offsetsCall } from './kafka-protocol.ts';

interface KafkaOffsetsOptions {
  readonly cluster: KafkaBrokers;
  readonly timers: Timers;
  readonly random: Random;
  readonly edge: 'start' | 'end';
}

const attemptsMax = 8;
const attemptTimeoutMs = 3_000;
const pauseMs = 50;

/**
 * The current start or end of partitions. Answers are never cached: a request is sent after the question
 * arrives. Questions that arrive during a request share the next one, so there is one request at a time to
 * each broker.
 */
export class KafkaOffsets {
  readonly #options: KafkaOffsetsOptions;
  #partitions = new Set<number>();
  #running: Promise<Map<number, number | Error>> | undefined;
  #next: Promise<Map<number, number | Error>> | undefined;

  constructor(options: KafkaOffsetsOptions) {
    this.#options = options;
  }

  /**
   * The offset of a partition. Rejects with LokiError `unavailable` when no leader answers within some
   * seconds.
   */
  async of(partition: number): Promise<number> {
    this.#partitions.add(partition);
    this.#next ??= this.#afterRunning();
    const answer = (await this.#next).get(partition);
    if (typeof answer === 'number') return answer;
    throw new LokiError(
      'unavailable',
      `kafka: the ${this.#options.edge} of partition ${partition} is not known: ${answer?.message ?? 'no answer'}`,
      { cause: answer },
    );
  }

  async #afterRunning(): Promise<Map<number, number | Error>> {
    await this.#running;
    await Promise.resolve(); // callers of the same turn share the request
    this.#running = this.#next;
    this.#next = undefined;
    const partitions = this.#partitions;
    this.#partitions = new Set();
    return this.#ask(partitions);
  }

  /** Asks the leaders of the partitions, with retries. Never rejects. */
  async #ask(partitions: ReadonlySet<number>): Promise<Map<number, number | Error>> {
    const { cluster, timers, random } = this.#options;
    const answers = new Map<number, number | Error>();
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const open = [...partitions].filter((partition) => typeof answers.get(partition) !== 'number');
      if (open.length === 0) return answers;
      if (attempt > 1) {
        await timers.sleep(pauseMs * attempt * (0.5 + random.float()));
        await cluster.refresh().catch(() => undefined); // the next attempt reports the cause
      }
      const byLeader = Map.groupBy(open, (partition) => cluster.leader(partition));
      await Promise.all(
        [...byLeader].map(([leader, leaderPartitions]) => this.#askLeader(leader, leaderPartitions, answers)),
      );
    }
    return answers;
  }

  async #askLeader(
    leader: number | undefined,
    partitions: readonly number[],
    answers: Map<number, number | Error>,
  ): Promise<void> {
    const { cluster, edge } = this.#options;
    try {
      if (leader === undefined) throw new Error('it has no leader');
      const connection = await cluster.connection(leader, 'offsets');
      const answer = await connection.request(offsetsCall(cluster.topic, partitions, edge), attemptTimeoutMs);
      for (const { partition, errorCode, offset } of answer.partitions) {
        answers.set(
          partition,
          errorCode === kafkaErrors.none ? offset : new Error(kafkaErrorName(errorCode)),
        );
      }
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      for (const partition of partitions) answers.set(partition, failure);
    }
  }
}
