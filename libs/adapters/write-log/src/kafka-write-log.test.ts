import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import type { KafkaWriteLogOptions } from './kafka-write-log-options.ts';
import { KafkaWriteLog } from './kafka-write-log.ts';
import { writeLogContract } from './test/write-log-contract.ts';

/** Against real brokers: `LOKI_TEST_KAFKA_BROKERS=127.0.0.1:9092`; `npm run test:services` starts one. */
const brokers = process.env['LOKI_TEST_KAFKA_BROKERS']?.split(',') ?? [];
const random = new NodeRandom();

function optionsOf(more: Partial<KafkaWriteLogOptions> = {}): KafkaWriteLogOptions {
  return {
    topic: `loki-test-${Buffer.from(random.bytes(6)).toString('hex')}`,
    partitionCount: 3,
    writerBrokers: brokers,
    clientId: 'loki-test',
    clock: new NodeClock(),
    timers: new NodeTimers(),
    random,
    ...more,
  };
}

if (brokers.length === 0) test.skip('Kafka: skipped, LOKI_TEST_KAFKA_BROKERS is not set', () => undefined);
else {
  writeLogContract(`kafka, ${brokers.join()}`, async () => {
    const log = await KafkaWriteLog.open(optionsOf());
    return { log, dispose: () => log.close() };
  });
}
