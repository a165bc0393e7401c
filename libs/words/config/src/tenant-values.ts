import type { SettingValue } from './scalars.ts';
import { schema } from './schema.ts';

/**
 * A tenant's own limits as text: what threads hand over, what is compared at a reload, and what lies in
 * memory until somebody asks for the tenant. JSON of [key, value] pairs; durations are texts of nanoseconds,
 * which JSON has no integers for.
 */
export function tenantValuesToJson(values: ReadonlyMap<string, SettingValue>): string {
  return JSON.stringify([...values], (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}

/** The inverse of `tenantValuesToJson`. */
export function tenantValuesFromJson(json: string): Map<string, SettingValue> {
  const pairs = JSON.parse(json) as [key: string, value: unknown][];
  return new Map(pairs.map(([key, value]) => [key, revive(key, value)]));
}

function revive(key: string, value: unknown): SettingValue {
  if (value === null) return undefined;
  const kind = schema().byPath.get(`limits_config.${key}`)!.kind;
  return kind === 'duration' || kind === 'promduration' ? BigInt(value as string) : value;
}
