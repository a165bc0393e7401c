/** Reads the keys of the write log: embedded, or Kafka. */
import { ConfigError } from './config-error.ts';
import { addressList } from './scalars.ts';
import type { KafkaConfig, WriteLogConfig } from './service-config.ts';
import type { Settings } from './settings.ts';

/** The configuration of the write log; `dataDirectory` has the embedded one. */
export function readWriteLog(settings: Settings, dataDirectory: string): WriteLogConfig {
  const topic = settings.text('kafka_config.topic');
  const wantsKafka = settings.flag('distributor.kafka_writes_enabled');
  const configured = settings.text('write_log.kind');
  const kind = configured || (wantsKafka ? 'kafka' : 'embedded');
  if (kind !== 'embedded' && kind !== 'kafka') {
    throw new ConfigError(`write_log.kind: ${JSON.stringify(kind)} is none of embedded, kafka`);
  }
  if (kind === 'kafka' && topic === '') {
    throw new ConfigError('kafka_config.topic must be set to write through Kafka');
  }
  return {
    kind,
    partitions: settings.number('write_log.partitions'),
    directory: settings.text('write_log.directory') || `${dataDirectory}/write-log`,
    fsync: settings.flag('write_log.fsync'),
    lingerMs: settings.durationMs('write_log.linger'),
    maxBatchBytes: settings.number('write_log.max_batch_bytes'),
    logFileBytes: settings.number('write_log.log_file_bytes'),
    maxBytes: settings.number('write_log.max_bytes'),
    takesStore: settings.flag('write_log.take_store'),
    kafka: readKafka(settings, topic),
  };
}

function readKafka(settings: Settings, topic: string): KafkaConfig {
  const mechanism = settings.text('write_log.kafka_sasl_mechanism');
  if (!isSaslMechanism(mechanism)) {
    throw new ConfigError(
      `write_log.kafka_sasl_mechanism: ${JSON.stringify(mechanism)} is none of ${saslMechanisms.join(', ')}`,
    );
  }
  const tls = 'write_log.kafka_tls';
  return {
    topic,
    ...readBrokers(settings),
    clientId: settings.text('kafka_config.writer_config.client_id'),
    saslUsername: settings.text('kafka_config.sasl_username'),
    saslPassword: settings.text('kafka_config.sasl_password'),
    saslMechanism: mechanism,
    tls: {
      enabled: settings.flag(`${tls}_enabled`),
      caFile: settings.text(`${tls}_ca_path`),
      certFile: settings.text(`${tls}_cert_path`),
      keyFile: settings.text(`${tls}_key_path`),
      serverName: settings.text(`${tls}_server_name`),
      insecureSkipVerify: settings.flag(`${tls}_insecure_skip_verify`),
    },
    dialTimeoutMs: settings.durationMs('kafka_config.dial_timeout'),
    writeTimeoutMs: settings.durationMs('kafka_config.write_timeout'),
    autoCreateTopic: settings.flag('kafka_config.auto_create_topic_enabled'),
    maxRecordBytes: settings.number('kafka_config.producer_max_record_size_bytes'),
    maxBufferedBytes: settings.number('kafka_config.producer_max_buffered_bytes'),
    replicationFactor: settings.number('write_log.kafka_replication_factor'),
    epoch: settings.number('write_log.kafka_epoch'),
    deletesFlushedRecords: settings.flag('write_log.kafka_delete_flushed_records'),
  };
}

const saslMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

function isSaslMechanism(text: string): text is KafkaConfig['saslMechanism'] {
  return (saslMechanisms as readonly string[]).includes(text);
}

/** Brokers that are configured for one direction only serve both. */
function readBrokers(settings: Settings): Pick<KafkaConfig, 'readerAddresses' | 'writerAddresses'> {
  const unset = 'localhost:9092';
  const reader = settings.text('kafka_config.reader_config.address');
  const writer = settings.text('kafka_config.writer_config.address');
  return {
    readerAddresses: addressList(reader === unset ? writer : reader),
    writerAddresses: addressList(writer === unset ? reader : writer),
  };
}
