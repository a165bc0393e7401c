/** A tree of values from which the conversion takes parts: values that remain at the end have no effect. */

export type Values = Readonly<Record<string, unknown>>;

export class TakenValues {
  readonly #tree: Record<string, unknown>;

  constructor(tree: Values) {
    this.#tree = structuredClone(tree) as Record<string, unknown>;
  }

  /** Takes and returns the value at a path of keys; undefined: absent or empty. */
  take(path: string): unknown {
    const keys = path.split('.');
    const last = keys.pop()!;
    let place: unknown = this.#tree;
    for (const key of keys) place = isMap(place) ? place[key] : undefined;
    if (!isMap(place) || !Object.hasOwn(place, last)) return undefined;
    const value = place[last];
    delete (place as Record<string, unknown>)[last];
    return isEmpty(value) ? undefined : value;
  }

  takeMap(path: string): Values {
    const value = this.take(path);
    return isMap(value) ? value : {};
  }

  takeText(path: string): string {
    const value = this.take(path);
    return typeof value === 'string' ? value : '';
  }

  /** The present ones of the keys below a path. */
  takeAll(path: string, keys: readonly string[]): Values {
    const entries = keys.map((key) => [key, this.take(`${path}.${key}`)] as const);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  /** Paths of all values that were not taken, except empty ones. */
  untakenPaths(): string[] {
    return leavesOf(this.#tree, '');
  }
}

function leavesOf(value: unknown, path: string): string[] {
  if (isEmpty(value)) return [];
  if (!isMap(value)) return [path];
  return Object.entries(value).flatMap(([key, inner]) =>
    leavesOf(inner, path === '' ? key : `${path}.${key}`),
  );
}

export function isMap(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  return Array.isArray(value) ? value.length === 0 : isMap(value) && Object.values(value).every(isEmpty);
}

/** Sets a value that is not empty at a path of keys. */
export function put(target: Record<string, unknown>, path: string, value: unknown): void {
  if (isEmpty(value)) return;
  const [key, ...rest] = path.split('.');
  if (rest.length === 0) {
    target[key] = isMap(value) && isMap(target[key]) ? mergeValues(target[key], value) : value;
    return;
  }
  const inner = isMap(target[key]) ? { ...target[key] } : {};
  put(inner, rest.join('.'), value);
  target[key] = inner;
}

/** Merges the second into the first: maps are merged, other values replaced. */
export function mergeValues(base: Values, over: Values): Values {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isMap(below) && isMap(value) ? mergeValues(below, value) : value;
  }
  return merged;
}
