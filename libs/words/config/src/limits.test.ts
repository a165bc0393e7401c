import { buildLimits, limitKeys } from './read-limits.ts';
import { renderLimitsYaml, visibleLimits } from './render-limits.ts';

const context = { maxReturnedStreamErrors: 10 };
const build = (values: Record<string, unknown>) => buildLimits(new Map(Object.entries(values)), context);

test('the defaults are Loki’s', () => {
  expect(build({})).toMatchObject({
    ingestionRateStrategy: 'global',
    ingestionRateBytes: 4 * 1024 * 1024,
    ingestionBurstBytes: 6 * 1024 * 1024,
    maxLabelNameLength: 1024,
    maxLabelValueLength: 2048,
    maxLabelNamesPerSeries: 15,
    rejectOldSamples: true,
    rejectOldSamplesMaxAgeMs: 7 * 86_400_000,
    creationGracePeriodMs: 600_000,
    maxLineSizeBytes: 262_144,
    discoverLogLevels: true,
    maxGlobalStreamsPerUser: 5000,
    perStreamRateLimitBytes: 3 * 1024 * 1024,
    perStreamRateLimitBurstBytes: 15 * 1024 * 1024,
    shardStreams: { enabled: true, desiredRateBytes: 1536 * 1024 },
    maxStructuredMetadataSizeBytes: 65_536,
    maxStructuredMetadataEntriesCount: 128,
    blockIngestionStatusCode: 260,
    maxQuerySeries: 500,
    maxQueryLengthMs: 721 * 3_600_000,
    maxQueryParallelism: 32,
    maxEntriesLimitPerQuery: 5000,
    queryTimeoutMs: 60_000,
    maxQuerierBytesRead: 150 * 1024 ** 3,
    splitQueriesByIntervalMs: 3_600_000,
    splitMetadataQueriesByIntervalMs: 86_400_000,
    volumeEnabled: true,
    volumeMaxSeries: 1000,
    deletionMode: 'filter-and-delete',
    retentionPeriodMs: 0,
    requiredLabels: [],
    blockedQueries: [],
    shardAggregations: [],
  });
  expect(build({}).discoverServiceName.slice(0, 3)).toEqual(['service', 'app', 'application']);
  expect(build({}).logLevelFields).toContain('SEVERITY_TEXT');
});

test('lists of mappings become typed', () => {
  expect(
    build({
      retention_stream: [{ selector: '{env="dev"}', priority: 1, period: '24h' }],
      blocked_queries: [
        { pattern: '.*', regex: true, types: 'metric, filter', hash: 7, tags: { Source: 'grafana' } },
      ],
      'otlp_config.log_attributes': [{ action: 'drop', regex: 'x.*' }],
      'discover_generic_fields.fields': { trace: ['trace_id', 'traceID'] },
    }),
  ).toMatchObject({
    retentionStreams: [{ selector: '{env="dev"}', priority: 1, periodMs: 86_400_000 }],
    blockedQueries: [
      {
        pattern: '.*',
        regex: true,
        types: ['metric', 'filter'],
        hash: 7,
        tags: new Map([['Source', 'grafana']]),
      },
    ],
    otlp: { logAttributes: [{ action: 'drop', attributes: [], regex: 'x.*' }] },
    discoverGenericFields: new Map([['trace', ['trace_id', 'traceID']]]),
  });
});

test.each([
  [{ retention_stream: [{ selector: '{a="b"}', period: '1h' }] }, 'retention period must be >= 24h'],
  [
    { retention_stream: [{ period: '24h' }] },
    'limits_config.retention_stream.selector is missing or not a text',
  ],
  [{ retention_stream: [{ selector: '{a="b"}', period: 'x' }] }, 'not a valid duration string: "x"'],
  [{ retention_stream: 5 }, 'is not a list of mappings'],
  [{ blocked_queries: ['x'] }, 'is not a list of mappings'],
  [{ max_query_series: -1 }, 'limits_config.max_query_series must not be negative'],
  [{ ingestion_rate_strategy: 'x' }, '"x" is none of global, local'],
  [{ 'otlp_config.log_attributes': [{ action: 'drop' }] }, 'either attributes or regex must be set'],
  [{ 'otlp_config.log_attributes': [{ action: 'x', regex: 'x' }] }, 'unsupported action "x"'],
  [{ 'discover_generic_fields.fields': [1] }, 'is not a mapping'],
])('%j is refused', (values, text) => {
  expect(() => build(values)).toThrow(text);
});

test.each([
  [
    { retention_stream: [{ selector: '{a=', period: '24h' }] },
    'limits_config.retention_stream.selector: "{a=": no selector',
  ],
  [
    { policy_stream_mapping: { p: [{ selector: '{a=' }] } },
    'limits_config.policy_stream_mapping.p.selector: "{a=": no selector',
  ],
  [
    { blocked_queries: [{ pattern: '(', regex: true }] },
    'limits_config.blocked_queries.pattern: "(": no pattern',
  ],
  [
    { 'otlp_config.log_attributes': [{ action: 'drop', regex: '(' }] },
    'limits_config.otlp_config.log_attributes.regex: "(": no pattern',
  ],
])('%j is refused by those who know the language', (values, text) => {
  const refuse = (what: string) => (given: string) => {
    if (!given.endsWith('}')) throw new Error(`no ${what}`);
  };
  const checks = { selector: refuse('selector'), pattern: refuse('pattern') };
  const all = new Map<string, unknown>(Object.entries(values));
  expect(() => buildLimits(all, { maxReturnedStreamErrors: 10, checks })).toThrow(text);
  // An exact text is never read as a pattern.
  const exact = new Map<string, unknown>([['blocked_queries', [{ pattern: '(' }]]]);
  expect(buildLimits(exact, { maxReturnedStreamErrors: 10, checks }).blockedQueries).toHaveLength(1);
});

test('every limit can be shown, as people write it', () => {
  const shown = visibleLimits(new Map<string, unknown>([['max_query_length', 7_200_000_000_000n]]));
  expect(shown).toMatchObject({
    max_query_length: '2h',
    max_line_size: '256KB',
    reject_old_samples_max_age: '1w',
    max_query_bytes_read: '0B',
    ingestion_rate_mb: 4,
    shard_streams: { enabled: true, desired_rate: '1536KB' },
  });
  expect(limitKeys().length).toBeGreaterThan(110);
});

test('a tenant sees only published limits', () => {
  const allowed = ['max_query_series', 'otlp_config', 'retention_period'];
  expect(Object.keys(visibleLimits(new Map(), allowed))).toEqual([
    'max_query_series',
    'retention_period',
    'otlp_config',
  ]);
  expect(renderLimitsYaml(new Map(), ['max_query_series'])).toBe('max_query_series: 500\n');
});
