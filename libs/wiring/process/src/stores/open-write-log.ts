/** Opens the configured write log. */
import fs from 'node:fs';
import type { PartitionLayout } from '@loki/catalog';
import type { Config } from '@loki/config';
import type { Clock, Logger, Random, Timers, WriteLog } from '@loki/ports';
import { NodeDisk } from '@loki/runtime';
import { EmbeddedWriteLog, KafkaWriteLog } from '@loki/write-log';
import type { KafkaTls } from '@loki/write-log';

interface WriteLogDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** The number of a shared log's partitions, which may grow; absent: it is fixed. */
  readonly layout?: Pick<PartitionLayout, 'isFounded' | 'owned' | 'onChange'>;
  /** Bound on records from Kafka that no consumer has taken yet. */
  readonly readBytesMax: number;
  /** End of the catalog for each partition: lower offsets must not be assigned again. */
  readonly atLeast: readonly number[];
  /** Called while the embedded log has little space left. */
  readonly onNearlyFull: () => void;
}

/** Asks the ingester to flush while the embedded log has little space left, one flush after another. */
export class LogPressure {
  /** Set once the ingester exists. */
  flush: (() => Promise<void>) | undefined;
  #isRelieving = false;

  relieve(): void {
    if (this.#isRelieving || !this.flush) return;
    this.#isRelieving = true;
    this.flush()
      .catch(() => undefined) // the ingester logs the failure
      .finally(() => (this.#isRelieving = false));
  }
}

/** Time after which /ready names brokers that do not answer; connecting continues. */
const kafkaStartMs = 2_000;

/** Opens the configured write log. */
export async function openWriteLog(deps: WriteLogDeps): Promise<WriteLog> {
  const { config, clock, timers, random, logger, atLeast } = deps;
  const { kind, partitions, directory, logFileBytes, maxBytes, fsync, kafka } = config.writeLog;
  if (kind === 'embedded') {
    return EmbeddedWriteLog.open({
      disk: new NodeDisk(directory),
      timers,
      random,
      logger,
      partitionCount: partitions,
      atLeast,
      fileBytesMax: logFileBytes,
      bytesMax: maxBytes,
      fsync,
      onNearlyFull: deps.onNearlyFull,
    });
  }
  const { saslUsername: username, saslPassword: password, saslMechanism: mechanism } = kafka;
  const log = await KafkaWriteLog.open({
    topic: kafka.topic,
    partitionCount: Math.max(partitions, deps.layout?.owned ?? 0),
    // The store must have the former number first: a new one would change the places of streams at once.
    mayGrow: deps.layout?.isFounded ?? false,
    writerBrokers: kafka.writerAddresses,
    readerBrokers: kafka.readerAddresses,
    clientId: kafka.clientId || 'loki',
    ...(username === '' ? {} : { sasl: { mechanism, username, password } }),
    ...(kafka.tls.enabled ? { tls: readTls(kafka.tls) } : {}),
    clock,
    timers,
    random,
    logger,
    autoCreateTopic: kafka.autoCreateTopic,
    ...(kafka.replicationFactor > 0 ? { replicationFactor: kafka.replicationFactor } : {}),
    epoch: kafka.epoch,
    startTimeoutMs: kafkaStartMs,
    atLeast,
    recordBytesMax: kafka.maxRecordBytes,
    bufferBytesMax: deps.readBytesMax,
    ...(kafka.maxBufferedBytes > 0 ? { pendingBytesMax: kafka.maxBufferedBytes } : {}),
    dialTimeoutMs: kafka.dialTimeoutMs,
    writeTimeoutMs: kafka.writeTimeoutMs,
    deletesRecords: kafka.deletesFlushedRecords,
  });
  deps.layout?.onChange(() => log.expectPartitions(deps.layout!.owned));
  return log;
}

function readTls(config: Config['writeLog']['kafka']['tls']): KafkaTls {
  const { caFile, certFile, keyFile, serverName, insecureSkipVerify } = config;
  const read = (file: string): string | undefined =>
    file === '' ? undefined : fs.readFileSync(file, 'utf8');
  return {
    ca: read(caFile),
    cert: read(certFile),
    key: read(keyFile),
    insecureSkipVerify,
    ...(serverName === '' ? {} : { serverName }),
  };
}
