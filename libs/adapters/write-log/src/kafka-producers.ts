/** Producer ids of Kafka, by which brokers keep several appends of a partition in order. */
import type { Clock, Logger } from '@loki/ports';
import type { KafkaBrokers } from './kafka-cluster.ts';
import { kafkaErrorName, kafkaErrors } from './kafka-errors.ts';
import { initProducerIdCall } from './kafka-protocol.ts';

/** An idempotent producer: brokers take its batches of a partition in the order of their sequence only. */
export interface KafkaProducer {
  readonly id: number;
  readonly epoch: number;
}

interface KafkaProducersOptions {
  readonly cluster: KafkaBrokers;
  readonly clock: Clock;
  readonly logger?: Logger;
}

const timeoutMs = 3_000;
/** Pause after a failure that passes: coordinators load for a second after a start of the brokers. */
const retryPauseMs = 1_000;
/** Pause after a refusal: an operator may grant the right meanwhile. */
const refusedPauseMs = 600_000;

/**
 * Produce 8, of Kafka 2.4: earlier brokers dropped a producer's state with its last records (KAFKA-7190), and
 * then accepted any sequence.
 */
const keepsProducersSince = [0, 8] as const;

/** Answers of brokers that will give an id soon. */
const passingErrors: ReadonlySet<number> = new Set([
  kafkaErrors.requestTimedOut,
  kafkaErrors.coordinatorLoading,
  kafkaErrors.coordinatorNotAvailable,
  kafkaErrors.notController,
]);

/**
 * The producer id of this process, which all partitions share; each has sequences of its own. No append waits
 * for an id: without one, a partition has one append in flight.
 */
export class KafkaProducers {
  readonly #options: KafkaProducersOptions;
  #producer: KafkaProducer | undefined;
  #isAsking = false;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(options: KafkaProducersOptions) {
    this.#options = options;
  }

  /** The id; undefined: not assigned yet, and requested from `nodeId`. */
  current(nodeId: number): KafkaProducer | undefined {
    if (!this.#producer && !this.#isAsking && this.#options.clock.monotonicMs() >= this.#notBeforeMs) {
      this.#isAsking = true;
      void this.#ask(nodeId).finally(() => (this.#isAsking = false));
    }
    return this.#producer;
  }

  /** Gives up an id whose sequence of one partition is broken. Other partitions continue with it. */
  retire(producer: KafkaProducer): void {
    if (this.#producer === producer) this.#producer = undefined;
  }

  /** Never rejects. */
  async #ask(nodeId: number): Promise<void> {
    const { cluster, clock, logger } = this.#options;
    const call = initProducerIdCall();
    let pauseMs = retryPauseMs;
    let reason: string;
    try {
      const connection = await cluster.connection(nodeId, 'producer id');
      const isModern = connection.supports(...keepsProducersSince);
      if (!isModern || !connection.supports(call.apiKey, call.apiVersion)) {
        pauseMs = refusedPauseMs;
        throw new Error('the broker is too old for idempotent producers');
      }
      const { errorCode, producer } = await connection.request(call, timeoutMs);
      if (errorCode === kafkaErrors.none) {
        this.#producer = producer;
        return;
      }
      if (!passingErrors.has(errorCode)) pauseMs = refusedPauseMs;
      reason = kafkaErrorName(errorCode);
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    this.#notBeforeMs = clock.monotonicMs() + pauseMs;
    logger?.[pauseMs === refusedPauseMs ? 'warn' : 'debug'](
      'kafka: brokers give no producer id, so each partition has one append in flight',
      { err: reason },
    );
  }
}
