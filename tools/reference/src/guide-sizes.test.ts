/**
 * Protects the sizes of the operators' guide: each figure of its table is what its own formulas, measured
 * figures and the chart's limits come to.
 */
import fs from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');
const guide = fs.readFileSync(path.join(root, 'docs/guide.md'), 'utf8');
const chart = fs.readFileSync(path.join(root, 'deploy/helm/loki/values.yaml'), 'utf8');

/** One column of the table. */
interface System {
  readonly rawGb: number;
  /** Processes: gateways, distributors, ingesters, queriers, compactors. */
  readonly G: number;
  readonly D: number;
  readonly I: number;
  readonly Q: number;
  readonly C: number;
  /** Partitions, owners of each, brokers. */
  readonly P: number;
  readonly R: number;
  readonly B: number;
  /** CPU seconds for each GB, at least and at most: ingest, compaction. */
  readonly ingest: readonly [number, number];
}

const compaction = [10, 20] as const;
const storedShare = 0.17;
const retentionDays = 7;
const topicReplicas = 3;
const systems: readonly System[] = [
  { rawGb: 10, G: 0, D: 0, I: 1, Q: 0, C: 0, P: 1, R: 1, B: 0, ingest: [19, 41] },
  { rawGb: 1000, G: 2, D: 2, I: 3, Q: 4, C: 1, P: 12, R: 3, B: 3, ingest: [47, 71] },
  { rawGb: 10_000, G: 4, D: 6, I: 12, Q: 16, C: 2, P: 24, R: 3, B: 6, ingest: [47, 71] },
  { rawGb: 1e5, G: 20, D: 20, I: 60, Q: 60, C: 10, P: 200, R: 3, B: 30, ingest: [47, 71] },
  { rawGb: 1e6, G: 150, D: 150, I: 400, Q: 400, C: 50, P: 1000, R: 3, B: 200, ingest: [47, 71] },
];

/**
 * MB of lines that a flush has: of an embedded log, which only one process without brokers has, or of Kafka.
 */
const flushMb = ({ B }: System) => (B === 0 ? 67 : 100);
const flushes = (system: System) => {
  const { rawGb, P } = system;
  return P * Math.max(12, (rawGb * 1000) / (P * flushMb(system)));
};
/** A process with an embedded log checks its mark every 15 s. */
const marks = 5760;
/**
 * The net beside what ingesters tell: each look for a manifest is followed by one for a seal, where there are
 * seals.
 */
const followers = ({ Q, C }: System) => Math.max(1, Q + C);
const compactionLooks = 2 * 144;
const deleteLooks = 144;
const layoutLooks = ({ P }: System) => (P === 1 ? 0 : 1_440);
const net = (system: System) =>
  followers(system) * (compactionLooks + deleteLooks + layoutLooks(system) + 2 * system.P) +
  (system.D + system.I) * layoutLooks(system);
const gets = (system: System) =>
  net(system) +
  flushes(system) * (4 * (system.R - 1) + 7) +
  (system.D > 1 ? 8640 * system.D : 0) +
  (system.P === 1 ? marks : 0);
const lists = (system: System) => {
  const stored = (system.rawGb * storedShare * (retentionDays + 1) * 1e9) / 2 ** 27;
  return (stored + flushes(system) / 8) / 250 + (system.P === 1 ? marks : 0);
};
const cores = ({ rawGb, ingest }: System, end: 0 | 1) => (rawGb * (ingest[end] + compaction[end])) / 86_400;

/** GiB that a component's pod may have. */
function limitOf(component: string): number {
  const block = new RegExp(String.raw`^${component}:\n(?:(?: .*)?\n)+`, 'm').exec(chart)![0];
  return Number(
    /limits: \{ memory: (\d+)Gi \}|limits:\n\s+memory: (\d+)Gi/.exec(block)?.[1] ?? limitOf('defaults'),
  );
}
const memory = ({ G, D, I, Q, C }: System) =>
  G * limitOf('gateway') +
  D * limitOf('distributor') +
  I * limitOf('ingester') +
  Q * limitOf('querier') +
  C * limitOf('compactor');

/** Numbers of a cell: `0.7 to 1.1`, `1.2 million`, `5 to 9 TB`. */
function cells(row: string): number[][] {
  const table = guide.slice(guide.indexOf('### Five sizes'));
  const line = table.split('\n').find((each) => each.startsWith(`| ${row} |`));
  if (!line) throw new Error(`the guide has no row ${row}`);
  return line
    .split('|')
    .slice(2, -1)
    .map((cell) => {
      const scale = cell.includes('million') ? 1e6 : cell.includes(' TB') ? 1000 : 1;
      const text = cell.replaceAll(/\(\d+\)/g, '').replaceAll(/(?<=\d),(?=\d{3})/g, '');
      return [...text.matchAll(/\d+(?:\.\d+)?/g)].map(([number]) => Number(number) * scale);
    });
}

/** Fetches of one ingester from one broker: each waits 250 ms. */
const fetchesOfOne = 345_600;
/** S3 Standard in US East: a thousand PUT or LIST, a thousand GET, a GB and month. */
const dollars = { put: 0.005, get: 0.0004, gigabyte: 0.023 };
const writes = (system: System) => 4 * flushes(system) + lists(system);
const stored = ({ rawGb }: System) => rawGb * storedShare * (retentionDays + 1);
const machines = (system: System, end: 0 | 1) => Math.max(3, Math.ceil((3 * cores(system, end)) / 8));

const rows: readonly [row: string, figures: (system: System) => readonly number[], from?: number][] = [
  ['raw MB/s, average and three times that', ({ rawGb }) => [rawGb / 86.4, (3 * rawGb) / 86.4]],
  ['cores for ingest and compaction, average', (system) => [cores(system, 0), cores(system, 1)], 1],
  ['memory (limits)', (system) => [memory(system)], 1],
  ['bucket, or data directory', (system) => [stored(system)]],
  [
    'Kafka’s disks, all brokers',
    ({ rawGb }) => [rawGb * storedShare * topicReplicas, rawGb * 0.3 * topicReplicas],
    1,
  ],
  ['flushes a day', (system) => [flushes(system)]],
  ['LIST a day, without rulers', (system) => [lists(system)]],
  ['PUT a day', (system) => [4 * flushes(system)]],
  ['GET a day, without queries', (system) => [gets(system)]],
  ['Kafka fetches a day, at least (B)', ({ I, B }) => [fetchesOfOne * I * B], 1],
  ['to reserve, without queriers', (system) => [3 * cores(system, 0), 3 * cores(system, 1)], 1],
  ['machines of 8 cores for these', (system) => [machines(system, 0), machines(system, 1)], 2],
  ['PUT and LIST a month', (system) => [writes(system) * 30]],
  ['GET a month', (system) => [gets(system) * 30]],
  [
    'dollars a month for PUT and LIST, GET, storage',
    (system) => [
      (writes(system) * 30 * dollars.put) / 1000,
      (gets(system) * 30 * dollars.get) / 1000,
      stored(system) * dollars.gigabyte,
    ],
  ],
];

test.each(rows)('%s', (row, figures, from = 0) => {
  const written = cells(row.replace('’', "'"));
  for (let i = from; i < systems.length; i++) {
    const computed = figures(systems[i]);
    expect([i, written[i].length]).toEqual([i, computed.length]);
    for (const [at, figure] of computed.entries()) {
      // Two digits at most are written.
      const share = written[i][at] / figure;
      expect([row, i, written[i][at], figure, share > 0.89 && share < 1.11]).toEqual([
        row,
        i,
        written[i][at],
        figure,
        true,
      ]);
    }
  }
});

test('the measured shares are those that the table is computed with', () => {
  expect(guide).toContain('19 to 41 CPU s/GB for one process, 47 to 71');
  expect(guide).toContain('and 10 to 20 for compaction');
  expect(guide).toContain('V × 0.17 × (days of retention + 1)');
});

test('the formulas hold for the separate apps as they were measured', () => {
  interface Measured {
    readonly partitions: number;
    readonly apps: readonly { readonly cpuSecondsPerGb: number }[];
    readonly idleRequestsPerSecond: { readonly kafka: number };
    readonly requestsPerGb: { readonly s3: number };
  }
  const figures = JSON.parse(fs.readFileSync(path.join(root, 'tools/bench/apps.json'), 'utf8')) as Measured[];
  const many = figures.at(-1)!;
  // An ingester of 10 TB and more has 6 to 10 partitions; these three have 16.
  const cpuSeconds = many.apps.reduce((sum, each) => sum + each.cpuSecondsPerGb, 0);
  expect(cpuSeconds).toBeGreaterThan(47);
  expect(cpuSeconds).toBeLessThan(71);
  for (const { partitions, idleRequestsPerSecond, requestsPerGb } of figures) {
    // Three ingesters, one broker.
    expect(idleRequestsPerSecond.kafka).toBeGreaterThanOrEqual((fetchesOfOne * 3) / 86_400);
    // Each partition is flushed once for a quarter of a GB; merges and later drops come after the
    // measurement.
    const flushesPerGb = 4 * partitions;
    expect(requestsPerGb.s3 / flushesPerGb).toBeLessThan(4 + 4 * 2 + 7);
  }
});

test('the table of the separate apps has the figures that bench:apps has written', () => {
  interface Requests {
    readonly kafka: number;
    readonly redis: number;
    readonly s3: number;
  }
  interface Figures {
    readonly partitions: number;
    readonly apps: readonly {
      readonly cpuSecondsPerGb: number;
      readonly rssMib: number;
      readonly connections: number;
    }[];
    readonly requestsPerGb: Requests;
    readonly requestsPerQuery: Requests;
  }
  const figures = JSON.parse(fs.readFileSync(path.join(root, 'tools/bench/apps.json'), 'utf8')) as Figures[];
  const shown = ({ kafka, redis, s3 }: Requests) =>
    [kafka, redis, s3].map((each) => each.toFixed(0)).join(', ');
  for (const { partitions, apps, requestsPerGb, requestsPerQuery } of figures) {
    const total = (name: 'cpuSecondsPerGb' | 'rssMib' | 'connections', digits = 0) =>
      apps.reduce((sum, each) => sum + each[name], 0).toFixed(digits);
    const cells = [
      partitions,
      ...apps.map(({ cpuSecondsPerGb }) => cpuSecondsPerGb.toFixed(1)),
      total('cpuSecondsPerGb', 1),
      total('rssMib'),
      total('connections'),
      shown(requestsPerGb),
      shown(requestsPerQuery),
    ];
    const row = new RegExp(
      `\\| *${cells.map((each) => String(each).replaceAll('.', String.raw`\.`)).join(String.raw` *\| *`)} *\\|`,
    );
    expect(guide).toMatch(row);
  }
});
