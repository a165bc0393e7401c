/** The brokers of a topic: leaders of its partitions, and connections. */
import type { Clock, Logger, Random, Timers } from '@loki/ports';
import type { KafkaAddress, KafkaDialOptions } from './kafka-client.ts';
import { KafkaConnection, parseAddress } from './kafka-connection.ts';
import { kafkaErrorName, kafkaErrors } from './kafka-errors.ts';
import { metadataCall } from './kafka-protocol.ts';
import type { KafkaAnswer, KafkaCall, KafkaNode, MetadataAnswer } from './kafka-protocol.ts';

/** The part of a cluster that appending and reading need. */
export interface KafkaBrokers {
  readonly topic: string;
  /** Partitions of the topic at the last refresh; 0: there was none. */
  readonly partitionCount: number;
  /** The known leader of a partition; undefined: none. */
  leader(partition: number): number | undefined;
  /** Fetches the leaders; simultaneous calls share one request. Rejects when no broker answers. */
  refresh(): Promise<void>;
  /** Calls `listener` after each refresh. */
  onChange(listener: () => void): void;
  /** A usable connection to a broker; calls with different `purpose` do not wait for each other. */
  connection(nodeId: number, purpose: string): Promise<KafkaRequests>;
  close(): void;
}

export interface KafkaRequests {
  /** Whether the broker answers this version of an API. */
  supports(apiKey: number, version: number): boolean;
  /** Sends a request. Rejects when no complete answer arrives in time. */
  request<T extends KafkaAnswer>(call: KafkaCall<T>, timeoutMs: number): Promise<T>;
}

interface KafkaClusterOptions {
  /** `host:port` of some brokers, from which the others are learned. */
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly dial: KafkaDialOptions;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
}

/** Shortest pause between two refreshes, because failures come in bursts. */
const refreshPauseMs = 100;
/** Most addresses that a refresh tries. */
const refreshAttemptsMax = 6;
/** Timeout of a metadata request, which normally takes milliseconds; then the next broker is tried. */
const metadataTimeoutMs = 3_000;

/** The leaders of one topic's partitions, and a connection to each broker for each purpose. */
export class KafkaCluster implements KafkaBrokers {
  readonly topic: string;
  readonly #options: KafkaClusterOptions;
  readonly #seeds: readonly KafkaAddress[];
  readonly #connections = new Map<string, Promise<KafkaConnection>>();
  #metadata: MetadataAnswer | undefined;
  #leaders = new Map<number, number>();
  #refreshing: Promise<void> | undefined;
  #refreshedMs = Number.NEGATIVE_INFINITY;
  #isClosed = false;
  readonly #listeners: (() => void)[] = [];

  constructor(options: KafkaClusterOptions) {
    this.topic = options.topic;
    this.#options = options;
    this.#seeds = options.brokers.map(parseAddress);
    if (this.#seeds.length === 0) throw new TypeError('no Kafka broker is named');
  }

  get partitionCount(): number {
    return this.#metadata?.partitions.length ?? 0;
  }

  leader(partition: number): number | undefined {
    return this.#leaders.get(partition);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async connection(nodeId: number, purpose: string): Promise<KafkaConnection> {
    const node = this.#metadata?.nodes.find((each) => each.nodeId === nodeId);
    if (!node) throw new Error(`Kafka broker ${nodeId} is not known`);
    return this.#connect(node, purpose);
  }

  close(): void {
    this.#isClosed = true;
    for (const connecting of this.#connections.values()) void connecting.then((each) => each.close(), ignore);
    this.#connections.clear();
  }

  async #connect(address: KafkaAddress, purpose: string): Promise<KafkaConnection> {
    if (this.#isClosed) throw new Error('closed');
    const key = `${address.host}:${address.port}/${purpose}`;
    const connected = await this.#connections.get(key)?.catch(ignore);
    if (connected?.isUsable) return connected;
    // Another caller may have dialled in the meantime.
    const newer = this.#connections.get(key);
    if (newer && (await newer.catch(ignore)) !== connected) return newer;
    const dialling = KafkaConnection.dial(address, this.#options.dial);
    this.#connections.set(key, dialling);
    dialling.then(
      (connection) => this.#isClosed && connection.close(),
      () => this.#connections.get(key) === dialling && this.#connections.delete(key),
    );
    return dialling;
  }

  async #refresh(): Promise<void> {
    const { clock, timers, random, logger } = this.#options;
    const sinceMs = clock.monotonicMs() - this.#refreshedMs;
    if (sinceMs < refreshPauseMs) await timers.sleep(refreshPauseMs - sinceMs);
    const lastNodes: readonly KafkaNode[] = this.#metadata?.nodes ?? [];
    const addresses = unique([...shuffle(lastNodes, random), ...shuffle(this.#seeds, random)]);
    let failure: unknown;
    for (const address of addresses.slice(0, refreshAttemptsMax)) {
      try {
        const connection = await this.#connect(address, 'metadata');
        const answer = await connection.request(metadataCall(this.topic), metadataTimeoutMs);
        this.#refreshedMs = clock.monotonicMs();
        if (answer.errorCode !== kafkaErrors.none) {
          throw new Error(`topic ${this.topic}: ${kafkaErrorName(answer.errorCode)}`);
        }
        this.#take(answer);
        return;
      } catch (error) {
        failure = error;
        const reason = error instanceof Error ? error.message : String(error);
        logger?.debug('kafka: a broker did not return the leaders of the partitions', {
          broker: address.host,
          err: reason,
        });
      }
    }
    this.#refreshedMs = clock.monotonicMs();
    throw failure instanceof Error ? failure : new Error(String(failure));
  }

  #take(answer: MetadataAnswer): void {
    this.#metadata = answer;
    const nodes = new Set(answer.nodes.map((each) => each.nodeId));
    this.#leaders = new Map();
    for (const { partition, leader } of answer.partitions) {
      // A broker that just died may still be listed as leader but not as broker.
      if (nodes.has(leader)) this.#leaders.set(partition, leader);
    }
    for (const listener of this.#listeners) listener();
  }
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random.float() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function unique(addresses: readonly KafkaAddress[]): KafkaAddress[] {
  const byAddress = new Map(addresses.map((each) => [`${each.host}:${each.port}`, each]));
  return [...byAddress.values()];
}

function ignore(): undefined {
  return undefined;
}
