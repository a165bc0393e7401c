/** An invalid part of the configuration. */
export class SettingError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SettingError';
  }
}

/** Values of YAML that no schema has checked. A missing value counts as empty. */
export function asRecord(value: unknown, where: string): ReadonlyMap<string, unknown> {
  if (value === undefined || value === null) return new Map();
  if (value instanceof Map) return value as ReadonlyMap<string, unknown>;
  if (typeof value !== 'object' || Array.isArray(value)) throw new SettingError(`${where} is not a mapping`);
  return new Map(Object.entries(value));
}

export function asList(value: unknown, where: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new SettingError(`${where} is not a list`);
  return value as unknown[];
}

export function asText(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value === undefined || value === null) return '';
  throw new SettingError(`${where} is not a text`);
}

export function asNumber(value: unknown, where: string): number {
  const number = typeof value === 'number' ? value : Number(asText(value, where) || Number.NaN);
  if (!Number.isFinite(number)) throw new SettingError(`${where} is not a number`);
  return number;
}

export function asFlag(value: unknown, where: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === 'false') return value === 'true';
  throw new SettingError(`${where} is neither true nor false`);
}
