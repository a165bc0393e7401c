/**
 * Protects the topic's size: another one than configured is refused until the store knows the number of old,
 * and then partitions are added, once.
 */
import type { Admin } from 'kafkajs';
import { prepareTopic } from './kafka-topic.ts';

/** A topic as an administrator sees it. */
class FakeTopic {
  calls: string[] = [];
  /** Another process adds partitions first. */
  isRaced = false;
  partitions: number;

  constructor(partitions: number) {
    this.partitions = partitions;
  }

  get admin(): Admin {
    const answers: Partial<Record<keyof Admin, unknown>> = {
      listTopics: async () => Promise.resolve(['logs']),
      fetchTopicMetadata: async () =>
        Promise.resolve({
          topics: [{ partitions: Array.from({ length: this.partitions }, () => ({ replicas: [1, 2, 3] })) }],
        }),
      describeConfigs: async () => Promise.reject(new Error('not allowed')),
      createPartitions: async ({ topicPartitions }: { topicPartitions: { count: number }[] }) => {
        const [{ count }] = topicPartitions;
        this.calls.push(`add up to ${count}`);
        this.partitions = count;
        return this.isRaced ? Promise.reject(new Error('INVALID_PARTITIONS')) : Promise.resolve(true);
      },
    };
    return answers as unknown as Admin;
  }
}

const options = { topic: 'logs', partitionCount: 6, autoCreate: true, messageBytesMax: 1_000_000 };

test('a topic of another size is refused while the store does not know the number of old', async () => {
  for (const size of [4, 8]) {
    const topic = new FakeTopic(size);
    await expect(prepareTopic(topic.admin, { ...options, mayGrow: false })).rejects.toThrow(
      `has ${size} partitions, but write_log.partitions is 6`,
    );
    expect(topic.calls).toEqual([]);
  }
});

test('then missing partitions are added, and more are fine', async () => {
  const small = new FakeTopic(4);
  await prepareTopic(small.admin, { ...options, mayGrow: true });
  expect(small.calls).toEqual(['add up to 6']);
  await prepareTopic(small.admin, { ...options, mayGrow: true });
  const large = new FakeTopic(8);
  await prepareTopic(large.admin, { ...options, mayGrow: true });
  expect([small.calls.length, large.calls.length]).toEqual([1, 0]);
});

test('two processes may add them at once; without the right to, the operator is told', async () => {
  const raced = new FakeTopic(4);
  raced.isRaced = true;
  await prepareTopic(raced.admin, { ...options, mayGrow: true });
  expect(raced.partitions).toBe(6);
  const fixed = new FakeTopic(4);
  await expect(prepareTopic(fixed.admin, { ...options, mayGrow: true, autoCreate: false })).rejects.toThrow(
    'has 4 partitions, fewer than 6',
  );
});
