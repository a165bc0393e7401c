/** Shows a tenant's limits: `/config/tenant/v1/limits` and the limits API. */
import { stringify } from 'yaml';
import { nestPaths } from './nest.ts';
import { limitKeys } from './read-limits.ts';
import { maskValue } from './render.ts';
import { renderScalar } from './scalars.ts';
import type { SettingValue } from './scalars.ts';
import { schema } from './schema.ts';
import { defaultValue } from './settings.ts';

/**
 * A tenant's limits as a plain object by YAML name, with durations and sizes as a file has them.
 *
 * @param values  by key path below `limits_config`; absent keys show their defaults
 * @param allowed names that may be shown (`tenant_limits_allow_publish`); undefined: all
 */
export function visibleLimits(
  values: ReadonlyMap<string, SettingValue>,
  allowed?: readonly string[],
): Record<string, unknown> {
  const entries: [string, unknown][] = [];
  for (const key of limitKeys()) {
    if (allowed !== undefined && !allowed.includes(key.split('.')[0])) continue;
    const spec = schema().byPath.get(`limits_config.${key}`)!;
    const value = values.has(key) ? values.get(key) : defaultValue(spec);
    if (value === undefined) continue;
    const isFree = spec.kind === 'any' || spec.kind === 'blocks';
    entries.push([key, maskValue(spec.name, isFree ? value : renderScalar(spec.kind, value))]);
  }
  return nestPaths(entries);
}

/** The visible limits as YAML, for `/config/tenant/v1/limits`. */
export function renderLimitsYaml(
  values: ReadonlyMap<string, SettingValue>,
  allowed?: readonly string[],
): string {
  return stringify(visibleLimits(values, allowed), { indent: 4, lineWidth: 0, aliasDuplicateObjects: false });
}
