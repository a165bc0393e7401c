/** A tenant's own limits as JSON text. */
import type { SettingValue } from './scalars.ts';
import { schema } from './schema.ts';

/**
 * A tenant's own limits as text. Threads pass it on, a reload compares it, and it stays in memory until the
 * tenant's first use. It is JSON of [key, value] pairs; durations are texts of nanoseconds, because JSON has
 * no such integers.
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
