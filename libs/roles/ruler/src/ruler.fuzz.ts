/** Rule groups, saved alerts, and the queue of recorded samples on disk. */
import { LokiError, parseTenantId } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { FuzzTarget, GoldenFile } from '@loki/test-tools';
import { Prng, VirtualDisk } from '@loki/virtual';
import { AlertStateStore } from './alert-state-store.ts';
import { readGroup, readRuleFile, RuleTextError } from './read-yaml.ts';
import { checkedGroupText } from './rule-store.ts';
import { SendQueue } from './send-queue.ts';
import { checkGroup } from './validate.ts';
import { writeGroup } from './write-yaml.ts';

const group = `name: g
interval: 1m
limit: 10
rules:
  - alert: High
    expr: sum(rate({app="a"} |= "error" [5m])) by (pod) > 10
    for: 10m
    keep_firing_for: 5m
    labels: &l
      severity: "page"
    annotations:
      summary: '{{ $value }} of {{ $labels.pod }}'
  - record: app:rate
    expr: |
      sum(rate({app="a"}[1m]))
    labels:
      <<: *l
`;
const yamlWords = ['&a', '*a', '<<: *a', '!!binary', '- ', ': ', '? ', '|', '>-', '---', '...', '{', '}', '[', ']', '\n  ', '"', "'", '#', '~', 'rules:', 'expr:', 'alert:', 'record:', 'for:', 'labels:']; // prettier-ignore

const tenant = parseTenantId('t');
const saved = {
  evaluatedAtMs: 5,
  rules: [
    {
      identity: 'x',
      alerts: [
        {
          labels: [['a', 'b']] as const,
          annotations: [],
          state: 'firing' as const,
          value: 1.5,
          activeAtMs: 1,
          firedAtMs: 2,
          resolvedAtMs: 0,
          keepFiringSinceMs: 0,
          lastSentAtMs: 3,
          validUntilMs: 4,
        },
      ],
    },
  ],
};

function isRefusal(error: unknown): boolean {
  return error instanceof RuleTextError || (error instanceof LokiError && error.code === 'badRequest');
}

/** Refusals of damaged state, which the ruler ignores and logs. */
const isCorrupt = (error: unknown): boolean =>
  error instanceof RuleTextError ||
  (error instanceof LokiError && (error.code === 'corrupt' || error.code === 'badRequest'));

const directory = 'queue';
const records = ['one', 'the second', 'three'].map((text, index) => ({
  bytes: Buffer.from(text),
  samples: index + 1,
  newestMs: 1_768_000_000_000 + index,
}));

/** The golden queue file with all records. */
const goldenQueue = Buffer.from(
  '03000000010000000000003150ba79420943fcd86f6e650a000000020000000010003150ba79424d8c6654746865207365636f6e6405000000030000000020003150ba7942ab94b9c57468726565',
  'hex',
);

/** Reads a queue with these files to its end. */
async function readQueue(files: ReadonlyMap<string, Buffer>): Promise<{ texts: string[]; lost: number }> {
  const disk = new VirtualDisk(new Prng(1));
  const client = disk.client();
  for (const [name, bytes] of files) disk.place(`${directory}/${name}`, bytes);
  const opened = await SendQueue.open({ disk: client, directory, bytesMax: 1 << 20 });
  const { queue } = opened;
  const texts: string[] = [];
  let lost = opened.losses.length;
  for (;;) {
    const some = await queue.peek(1);
    lost += some.losses.length;
    if (some.records.length === 0) break;
    texts.push(...some.records.map(({ bytes, samples }) => `${samples} ${bytes.toString()}`));
    await queue.take(
      some.end,
      some.records.reduce((sum, { samples }) => sum + samples, 0),
    );
  }
  if (queue.samples !== 0) throw new Error(`an empty queue holds ${queue.samples} samples`);
  await queue.append(records[0]);
  const { records: appended } = await queue.peek(1);
  if (appended.length !== 1) throw new Error('what is appended cannot be taken');
  await queue.close();
  return { texts, lost };
}

export const targets: readonly FuzzTarget[] = [
  {
    name: 'rule-group',
    shape: 'text',
    corpus: () => [group, 'name: g\nrules: []\n', '{name: g, rules: [{record: a, expr: "1"}]}'],
    words: yamlWords,
    isRefusal,
    run: (input) => {
      const read = checkGroup(readGroup(input.toString()));
      const text = writeGroup(read, { complete: true });
      const again = checkGroup(readGroup(text));
      if (writeGroup(again, { complete: true }) !== text) {
        throw new TypeError('stored and read, a group differs');
      }
      return read.rules.length;
    },
  },
  {
    name: 'rule-file',
    shape: 'text',
    corpus: () => [`groups:\n${group.replace(/^/gm, '  ').replace('  name', '- name')}`, 'groups:\n'],
    words: yamlWords,
    isRefusal,
    run: (input) => readRuleFile(input.toString()).length,
  },
  {
    name: 'saved-alerts',
    shape: 'text',
    corpus: () => [JSON.stringify({ version: 1, ...saved }), '{}', 'null'],
    words: ['"version":1', '"rules"', '"alerts"', '"state":"firing"', '1e999', 'null', '[]'],
    isRefusal: isCorrupt,
    run: async (input) => {
      const objects = new MemoryObjectStore();
      const store = new AlertStateStore(objects);
      await store.save({ tenant, namespace: 'n', group: 'g' }, saved);
      for await (const { key } of objects.list('')) await objects.put(key, input);
      const loaded = await store.load(tenant, 'n', 'g');
      return loaded === undefined ? 'unknown' : loaded.rules.length;
    },
  },
  {
    name: 'sample-queue',
    shape: 'bytes',
    corpus: () => [goldenQueue],
    isRefusal: () => false,
    run: async (input) => (await readQueue(new Map([['1.queue', input]]))).texts.length,
    limitBytes: 32 * 2 ** 20,
  },
  {
    name: 'sample-queue-position',
    shape: 'text',
    corpus: () => ['1 0\n', '1 23\n', '0 0\n', '1 23 crc32c=00000000\n'],
    isRefusal: () => false,
    run: async (input) =>
      (
        await readQueue(
          new Map([
            ['1.queue', goldenQueue],
            ['position', input],
          ]),
        )
      ).texts.length,
  },
];

const texts = records.map(({ bytes, samples }) => `${samples} ${bytes.toString()}`);

const goldenGroup = Buffer.from(
  '# rule group, version 2\nname: g\nrules:\n    - record: r\n      expr: vector(1)\n# crc32c=797afd84\n',
);
const goldenAlerts = Buffer.from(
  '{"crc32c":"c23bff5e","version":1,"evaluatedAtMs":5,"rules":[{"identity":"x","alerts":[{"labels":[["a","b"]],"annotations":[],"state":"firing","value":1.5,"activeAtMs":1,"firedAtMs":2,"resolvedAtMs":0,"keepFiringSinceMs":0,"lastSentAtMs":3,"validUntilMs":4}]}]}',
);

export const goldenFiles: readonly GoldenFile[] = [
  {
    name: 'rule-group',
    bytes: () => goldenGroup,
    isRefusal: isCorrupt,
    read: (bytes) => [writeGroup(checkGroup(readGroup(checkedGroupText('a group', bytes))))],
  },
  {
    name: 'saved-alerts',
    bytes: () => goldenAlerts,
    isRefusal: isCorrupt,
    read: async (bytes) => {
      const objects = new MemoryObjectStore();
      const store = new AlertStateStore(objects);
      await store.save({ tenant, namespace: 'n', group: 'g' }, saved);
      for await (const { key } of objects.list('')) await objects.put(key, bytes);
      return [JSON.stringify(await store.load(tenant, 'n', 'g'))];
    },
  },
  {
    name: 'sample-queue',
    bytes: () => goldenQueue,
    isRefusal: () => false,
    read: async (bytes) => {
      const read = await readQueue(new Map([['1.queue', bytes]]));
      // An uncut file misses no record without damage, so the loss must be reported.
      if (bytes.length === goldenQueue.length && read.texts.length < texts.length && read.lost === 0) {
        throw new Error('samples are lost in silence');
      }
      return read.texts;
    },
    recordEnds: () => {
      let end = 0;
      return records.map(({ bytes }) => (end += 20 + bytes.length));
    },
  },
];
