import fs from 'node:fs';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import type { KafkaSasl, KafkaTls } from './kafka-client.ts';
import { KafkaWriteLog } from './kafka-write-log.ts';

/** Against real brokers that want TLS and a password; `npm run test:services` starts some. */
const brokers = process.env['LOKI_TEST_KAFKA_SECURE_BROKERS']?.split(',') ?? [];
const username = process.env['LOKI_TEST_KAFKA_USER'] ?? '';
const password = process.env['LOKI_TEST_KAFKA_PASSWORD'] ?? '';
const random = new NodeRandom();

function open(sasl: KafkaSasl, tls: KafkaTls): Promise<KafkaWriteLog> {
  return KafkaWriteLog.open({
    topic: `loki-secure-${Buffer.from(random.bytes(6)).toString('hex')}`,
    partitionCount: 1,
    writerBrokers: brokers,
    clientId: 'loki-test',
    clock: new NodeClock(),
    timers: new NodeTimers(),
    random,
    startTimeoutMs: 0,
    sasl,
    tls,
  });
}

if (brokers.length === 0) {
  test.skip('Kafka with TLS and SASL: skipped, LOKI_TEST_KAFKA_SECURE_BROKERS is not set', () => undefined);
} else {
  const ca = fs.readFileSync(process.env['LOKI_TEST_KAFKA_CA'] ?? '', 'utf8');

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('%s over TLS', async (mechanism) => {
    const log = await open({ mechanism, username, password }, { ca });
    try {
      const payload = Buffer.from('entries');
      const offset = await log.append(0, { writerId: 'ab'.repeat(16), sequence: 1, payload });
      const records = await log.read(0, offset, { bytesMax: 1024, waitMs: 10_000 });
      expect(records.map((record) => Buffer.from(record.payload))).toEqual([payload]);
    } finally {
      await log.close();
    }
  });

  test('a wrong password is reported', async () => {
    const opened = open({ mechanism: 'scram-sha-256', username, password: 'wrong' }, { ca });
    await expect(opened).rejects.toThrow(/authenticat|credential/i);
  });

  test('brokers that nobody vouches for are not spoken to', async () => {
    const opened = open({ mechanism: 'plain', username, password }, {});
    await expect(opened).rejects.toThrow(/certificate/i);
  });
}
