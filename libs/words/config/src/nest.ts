/** Nests values by path into a tree, for YAML and JSON output. */

/** Values by `.`-separated path as the tree they describe. */
export function nestPaths(
  values: Iterable<readonly [path: string, value: unknown]>,
): Record<string, unknown> {
  const root = new Map<string, unknown>();
  for (const [path, value] of values) {
    const parts = path.split('.');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      if (!at.has(part)) at.set(part, new Map<string, unknown>());
      at = at.get(part) as Map<string, unknown>;
    }
    at.set(parts[parts.length - 1], value);
  }
  return toObject(root);
}

function toObject(map: ReadonlyMap<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    [...map].map(([name, value]) => [name, value instanceof Map ? toObject(value) : value]),
  );
}
