/** Reads a free-form block of the configuration by the schema of another block. */
import { ConfigError } from './config-error.ts';
import { parseScalar, ScalarError } from './scalars.ts';
import type { SettingValue } from './scalars.ts';
import { schemaBlock } from './schema.ts';
import type { BlockSpec } from './schema.ts';

/**
 * Reads the values of a plain tree by the schema of `block`, as if the tree stood at that place of the file.
 * Maps with names that the operator chooses (named stores) have no place of their own in the schema.
 *
 * @throws ConfigError naming the first unknown key, or a value that its key does not accept
 */
export function readBlockValues(block: string, tree: unknown): Map<string, SettingValue> {
  const values = new Map<string, SettingValue>();
  fill(schemaBlock(block), tree, values);
  return values;
}

function fill(block: BlockSpec, tree: unknown, values: Map<string, SettingValue>): void {
  if (tree === null || tree === undefined) return;
  if (typeof tree !== 'object' || Array.isArray(tree)) {
    throw new ConfigError(
      `failed parsing config: cannot unmarshal ${JSON.stringify(tree)} into ${block.typeName}`,
    );
  }
  for (const [name, value] of Object.entries(tree)) {
    const spec = block.keys.get(name);
    if (spec === undefined) {
      throw new ConfigError(`failed parsing config: field ${name} not found in type ${block.typeName}`);
    }
    if (spec.node === 'block') fill(spec, value, values);
    else if (spec.kind === 'any' || spec.kind === 'blocks' || Array.isArray(value)) {
      values.set(spec.path, value);
    } else if (value !== null && value !== undefined) {
      values.set(spec.path, scalar(spec.path, spec.kind, value));
    }
  }
}

function scalar(path: string, kind: Parameters<typeof parseScalar>[0], value: unknown): SettingValue {
  try {
    return parseScalar(kind, String(value as string | number | boolean));
  } catch (error) {
    if (!(error instanceof ScalarError)) throw error;
    throw new ConfigError(`failed parsing config: ${path}: ${error.message}`, { cause: error });
  }
}
