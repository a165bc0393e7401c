/** Where a package stands; arrows point down this list. */
type Layer = 'app' | 'wiring' | 'tool' | 'testing' | 'role' | 'adapter' | 'engine' | 'word';

/** The folder of a package is its layer. */
const layers: ReadonlyMap<string, Layer> = new Map([
  ['apps', 'app'],
  ['tools', 'tool'],
  ['libs/wiring', 'wiring'],
  ['libs/testing', 'testing'],
  ['libs/roles', 'role'],
  ['libs/adapters', 'adapter'],
  ['libs/engines', 'engine'],
  ['libs/words', 'word'],
]);

/** Undefined: a package in a folder that is no layer. */
export function layerOf(packagePath: string): Layer | undefined {
  return layers.get(packagePath.slice(0, packagePath.lastIndexOf('/')));
}

/** The layers from which each layer may import. */
const below: Readonly<Record<Layer, readonly Layer[]>> = {
  app: ['wiring', 'role', 'adapter', 'engine', 'word'],
  wiring: ['role', 'adapter', 'engine', 'word'],
  tool: ['tool', 'testing', 'wiring', 'role', 'adapter', 'engine', 'word'],
  testing: ['testing', 'role', 'adapter', 'engine', 'word'],
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

/** Node's modules that only compute. */
export const pureNodeModules: ReadonlySet<string> = new Set([
  'node:assert',
  'node:assert/strict',
  'node:buffer',
  'node:crypto',
  'node:string_decoder',
  'node:util',
  'node:zlib',
]);

/**
 * The folders of a library from the bottom up: a file imports from its own folder and from those before it.
 */
export const folderOrder: Readonly<Record<string, readonly string[]>> = {
  'libs/engines/catalog': ['logs', 'compaction', 'deletes', 'layout', 'owner'],
  'libs/engines/engine': ['common', 'pipeline', 'series', 'merge', 'leaf', 'root'],
  'libs/engines/segment': ['format', 'columns', 'filter', 'read', 'write', 'merge'],
  'libs/roles/distributor': ['json', 'levels', 'streams', 'rows', 'decode', 'admit', 'write'],
  'libs/roles/gateway': ['limits', 'answer', 'frontend', 'api'],
  'libs/roles/ingester': ['common', 'head', 'dedupe'],
  'libs/testing/test-tools': ['fuzzing'],
  'libs/wiring/process': ['stores', 'cluster', 'roles', 'serve'],
};
