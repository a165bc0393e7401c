import { parseScalar, parseSize, renderSize } from './scalars.ts';
import { schema } from './schema.ts';
import { defaultValue } from './settings.ts';

test('every default of the table reads as its own kind', () => {
  const faults: string[] = [];
  for (const spec of schema().byPath.values()) {
    try {
      defaultValue(spec);
    } catch (error) {
      faults.push(`${spec.path}: ${(error as Error).message}`);
    }
  }
  expect(faults).toEqual([]);
  expect(schema().byPath.size).toBeGreaterThan(2000);
});

test('no flag means two keys, but for those that Loki itself gives to two', () => {
  const seen = new Map<string, string[]>();
  for (const spec of schema().byPath.values()) {
    if (spec.flag !== '') seen.set(spec.flag, [...(seen.get(spec.flag) ?? []), spec.path]);
  }
  const twice = [...seen].filter(([, paths]) => paths.length > 1).map(([flag]) => flag);
  expect(
    twice.filter((flag) => !/\.(?:s3|gcs|azure|swift|oss|bos|cos|tls)[.-]|storage-prefix/.test(flag)),
  ).toEqual([]);
});

test('every key that Loki does not have says what it does', () => {
  const own = [...schema().byPath.values()].filter((spec) =>
    /^(?:write_log|worker_pool|disk_cache|grafana_provision)\.|admin_listen/.test(spec.path),
  );
  expect(own.length).toBeGreaterThan(10);
  expect(own.filter((spec) => spec.help === '')).toEqual([]);
});

test('no flag keeps a placeholder', () => {
  expect([...schema().byFlag.keys()].filter((flag) => /[<>\s]|^-|\.\./.test(flag))).toEqual([]);
});

test.each([
  ['0', 0],
  ['1024', 1024],
  ['256KB', 262_144],
  ['256kb', 262_144],
  ['3MB', 3 << 20],
  ['1.5 MB', 1.5 * (1 << 20)],
  ['64MiB', 64 << 20],
  ['63KiB1023B', 65_535],
  ['150GB', 150 * 1024 ** 3],
  ['64B', 64],
])('size %j is %d bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(['', 'x', '5XB', '-1', '1e99GB', 'KB'])('%j is no size', (text) => {
  expect(() => parseSize(text)).toThrow();
});

test('sizes are shown in their largest whole unit', () => {
  expect([0, 1000, 262_144, 1536 * 1024, 3 << 20].map(renderSize)).toEqual([
    '0B',
    '1000B',
    '256KB',
    '1536KB',
    '3MB',
  ]);
});

test.each([
  ['duration', '1h30m', 5_400_000_000_000n],
  ['duration', '0', 0n],
  ['duration', '5', 5n],
  ['duration', '1d', 86_400_000_000_000n],
  ['promduration', '1w', 604_800_000_000_000n],
  ['promduration', '300s', 300_000_000_000n],
  ['bool', 'yes', true],
  ['duration', '5e3', 5_000n],
  ['duration', '1.572864e+06', 1_572_864n],
  ['int', '0x10', 16],
  ['int', '0X1f', 31],
  ['int', '0o6034', 3100],
  ['int', '06034', 3100],
  ['int', '08', 8],
  ['int', '0b101', 5],
  ['int', '1_000', 1000],
  ['int', '1.572864e+06', 1_572_864],
  ['int', '1e+06', 1_000_000],
  ['int', '5e3', 5000],
  ['int', '5E3', 5000],
  ['int', '500.0', 500],
  ['int', '500.', 500],
  ['int', '-5.7', -5],
  ['int', '-0', 0],
  ['int', '9223372036854775807', Number.MAX_SAFE_INTEGER],
  ['int', '-9223372036854775808', -Number.MAX_SAFE_INTEGER],
  ['float', '0x10', 16],
  ['float', '4e+00', 4],
  ['float', '.inf', Number.MAX_SAFE_INTEGER],
  ['size', '1.572864e+06', 1_572_864],
  ['size', '5e3', 5000],
  ['float', '.5', 0.5],
  ['time', '2024-05-01T00:00:00Z', Date.UTC(2024, 4, 1)],
  ['time', '0', 0],
  ['list', 'a,b c', ['a', 'b', 'c']],
] as const)('%s %j', (kind, text, value) => {
  expect(parseScalar(kind, text)).toEqual(value);
});

test.each([
  ['int', ''],
  ['int', '1e'],
  ['int', '0xg'],
  ['int', '0o8'],
  ['int', '5 000'],
  ['int', '1e400'],
  ['int', '1e20'],
  ['int', 'three'],
  ['int', '.inf'],
  ['float', '.nan'],
  ['float', '1,5'],
  ['duration', '1e40'],
  ['size', '-1e3'],
] as const)('%s %j is refused', (kind, text) => {
  expect(() => parseScalar(kind, text)).toThrow();
});
