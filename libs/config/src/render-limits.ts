import { stringify } from 'yaml';
import { maskValue } from './render.ts';
import { limitKeys } from './read-limits.ts';
import { renderScalar } from './scalars.ts';
import type { SettingValue } from './scalars.ts';
import { schema } from './schema.ts';
import { defaultValue } from './settings.ts';

/**
 * A tenant's limits as a plain object by YAML name, durations and sizes as people write them.
 *
 * @param values  by key path below `limits_config`; absent keys show their defaults
 * @param allowed names that may be shown (`tenant_limits_allow_publish`); undefined: all
 */
export function visibleLimits(
  values: ReadonlyMap<string, SettingValue>,
  allowed?: readonly string[],
): Record<string, unknown> {
  const root = new Map<string, unknown>();
  for (const key of limitKeys()) {
    const parts = key.split('.');
    if (allowed !== undefined && !allowed.includes(parts[0])) continue;
    const spec = schema().byPath.get(`limits_config.${key}`)!;
    const value = values.has(key) ? values.get(key) : defaultValue(spec);
    if (value === undefined) continue;
    const isFree = spec.kind === 'any' || spec.kind === 'blocks';
    put(root, parts, maskValue(spec.name, isFree ? value : renderScalar(spec.kind, value)));
  }
  return toObject(root);
}

/** The same as YAML, for `/config/tenant/v1/limits`. */
export function renderLimitsYaml(
  values: ReadonlyMap<string, SettingValue>,
  allowed?: readonly string[],
): string {
  return stringify(visibleLimits(values, allowed), { indent: 4, lineWidth: 0, aliasDuplicateObjects: false });
}

function put(root: Map<string, unknown>, parts: readonly string[], value: unknown): void {
  let at = root;
  for (const part of parts.slice(0, -1)) {
    if (!at.has(part)) at.set(part, new Map<string, unknown>());
    at = at.get(part) as Map<string, unknown>;
  }
  at.set(parts[parts.length - 1], value);
}

function toObject(map: ReadonlyMap<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    [...map].map(([name, value]) => [name, value instanceof Map ? toObject(value) : value]),
  );
}
