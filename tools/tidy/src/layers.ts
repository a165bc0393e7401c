/** Where a package stands; arrows point down this list. */
type Layer = 'app' | 'wiring' | 'tool' | 'testkit' | 'role' | 'adapter' | 'engine' | 'word';

/** Every library has its place; a new one is given one here first. */
const libraryLayers: Readonly<Record<string, Layer>> = {
  bytes: 'word',
  config: 'word',
  model: 'word',
  ports: 'word',
  proto: 'word',
  telemetry: 'word',

  catalog: 'engine',
  engine: 'engine',
  logql: 'engine',
  patterns: 'engine',
  regex: 'engine',
  ring: 'engine',
  segment: 'engine',
  template: 'engine',

  http: 'adapter',
  'object-store': 'adapter',
  'results-cache': 'adapter',
  'ring-store': 'adapter',
  rpc: 'adapter',
  runtime: 'adapter',
  'write-log': 'adapter',

  // What mains are made of: wiring, shared by all apps.
  process: 'wiring',

  canary: 'role',
  compactor: 'role',
  distributor: 'role',
  gateway: 'role',
  ingester: 'role',
  querier: 'role',
  ruler: 'role',

  testkit: 'testkit',
  'test-tools': 'testkit',
};

/** Undefined: a library that nobody placed. */
export function layerOf(packagePath: string): Layer | undefined {
  const [group, name] = packagePath.split('/');
  if (group === 'apps') return 'app';
  if (group === 'tools') return 'tool';
  return Object.hasOwn(libraryLayers, name) ? libraryLayers[name] : undefined;
}

/** What each layer may import. */
const below: Readonly<Record<Layer, readonly Layer[]>> = {
  app: ['wiring', 'role', 'adapter', 'engine', 'word'],
  wiring: ['role', 'adapter', 'engine', 'word'],
  tool: ['tool', 'testkit', 'wiring', 'role', 'adapter', 'engine', 'word'],
  testkit: ['role', 'adapter', 'engine', 'word'],
  role: ['engine', 'word'],
  adapter: ['engine', 'word'],
  engine: ['engine', 'word'],
  word: ['word'],
};

export function mayImport(from: Layer, to: Layer): boolean {
  return below[from].includes(to);
}

/** Layers that see time, randomness, disk and network through ports alone. */
export function isPure(layer: Layer): boolean {
  return layer === 'role' || layer === 'engine';
}

/** Node's modules that compute and touch nothing. */
export const pureNodeModules: ReadonlySet<string> = new Set([
  'node:assert',
  'node:assert/strict',
  'node:buffer',
  'node:crypto',
  'node:string_decoder',
  'node:util',
  'node:zlib',
]);
