/**
 * Protects the words by which wrong values are refused: a key that is misspelt or misplaced is never ignored.
 */
import { configOf, refusal, render, testWith } from './test/charts.ts';

const helms = ['helm3', 'helm4'] as const;

const refused: readonly [name: string, values: unknown, words: RegExp][] = [
  ['a key that does not exist', { gatewy: {} }, /additional propert.*gatewy/i],
  ['a misspelt key of a component', { querier: { replica: 2 } }, /querier.*additional propert.*replica/i],
  ['a key in the wrong place', { loki: { querier: { replicas: 2 } } }, /loki.*additional propert.*querier/i],
  [
    'a misspelt key of autoscaling',
    { gateway: { autoscaling: { enable: true } } },
    /autoscaling.*additional propert.*enable/i,
  ],
  ['a mode that does not exist', { mode: 'microservices' }, /mode.*(one of).*distributed.*single/],
  ['a number in words', { querier: { replicas: 'two' } }, /replicas.*integer/i],
  ['a retention without sense', { retention: 'a week' }, /retention.*pattern/],
  ['no broker', { kafka: { bundled: false } }, /kafka\.brokers must be set when kafka\.bundled is false/],
  ['no ring', { redis: { bundled: false } }, /redis\.endpoint must be set when redis\.bundled is false/],
  [
    'no bucket',
    { minio: { bundled: false } },
    /storage\.endpoint or storage\.region must be set when minio\.bundled is false/,
  ],
  ['processes that share files', { storage: { type: 'filesystem' } }, /filesystem is for mode single/],
  [
    'several processes of one log',
    { mode: 'single', single: { replicas: 2 } },
    /single\.replicas must be 0 or 1/,
  ],
  [
    'two autoscalers of one workload',
    { querier: { autoscaling: { enabled: true }, keda: { enabled: true } } },
    /querier\.autoscaling\.enabled and querier\.keda\.enabled exclude each other/,
  ],
  [
    'fewer ingesters than copies',
    { ingester: { autoscaling: { enabled: true, minReplicas: 2 } } },
    /ingester: minReplicas must be at least common\.replication_factor, which is 3/,
  ],
  [
    'autoscaling by a resource that is not requested',
    { gateway: { autoscaling: { enabled: true }, resources: { requests: { cpu: null } } } },
    /gateway\.resources\.requests\.cpu must be set for autoscaling by it/,
  ],
  [
    'autoscaling by nothing',
    { gateway: { autoscaling: { enabled: true, targetCPUUtilizationPercentage: 0 } } },
    /gateway\.autoscaling: set a target or customMetrics/,
  ],
];

describe.each(helms)('%s', (helm) => {
  testWith(helm).each(refused)('%s is refused in words', (_name, values, words) => {
    expect(refusal({ helm, values })).toMatch(words);
  });

  testWith(helm)('what KubeSphere adds is no fault', () => {
    const values = {
      tags: { agent: true, extension: false },
      global: {
        portal: { url: 'http://x' },
        extension: { ingress: { ingressClassName: 'a', domainSuffix: 'b', httpPort: 80 } },
      },
    };
    expect(refusal({ helm, values })).toBe('');
  });
});

testWith('helm4')('values of the extension 1.0.1 mean what they meant', () => {
  const objects = render({ files: ['logging-1.0'] });
  const replicas = Object.fromEntries(
    objects.flatMap(({ metadata, spec }) =>
      spec?.replicas === undefined ? [] : [[metadata.name, spec.replicas]],
    ),
  );
  expect(replicas).toMatchObject({
    'loki-querier': 4,
    'loki-distributor': 5,
    'loki-ingester': 5,
    'loki-compactor': 2,
  });
  const config = configOf(objects);
  expect(config.limits_config).toMatchObject({ retention_period: '72h', ingestion_rate_mb: 20 });
  expect(config.common.storage.s3).toMatchObject({
    bucketnames: 'whizard-loki-chunks',
    endpoint: 'minio.example.com:9000',
    insecure: true,
  });
  expect(objects.filter(({ metadata }) => metadata.name.startsWith('loki-minio'))).toEqual([]);
});
