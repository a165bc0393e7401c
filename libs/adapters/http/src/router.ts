import { routeLabel, routes } from './routes.ts';
import type { RouteId, RouteSpec } from './routes.ts';

/** A route that a request's path led to. */
export interface RouteMatch {
  readonly id: RouteId;
  readonly spec: RouteSpec;
  readonly label: string;
  /** Values of the `:name` segments. */
  readonly params: ReadonlyMap<string, string>;
}

interface Pattern {
  readonly id: RouteId;
  readonly label: string;
  readonly spec: RouteSpec;
  readonly segments: readonly string[];
}

export const noParams: ReadonlyMap<string, string> = new Map();

/** Finds routes by path and method among those that are served. Exact paths cost one map lookup. */
export class Router {
  readonly #exact = new Map<string, RouteMatch[]>();
  /** Patterns with `:name` by number of segments. */
  readonly #patterns = new Map<number, Pattern[]>();

  /** Idempotent. */
  add(id: RouteId): void {
    const spec: RouteSpec = routes[id];
    const label = routeLabel(spec.path);
    if (!spec.path.includes(':')) {
      const same = this.#exact.get(spec.path) ?? [];
      if (!same.some((match) => match.id === id)) same.push({ id, spec, label, params: noParams });
      this.#exact.set(spec.path, same);
      return;
    }
    const segments = spec.path.split('/');
    const same = this.#patterns.get(segments.length) ?? [];
    if (!same.some((pattern) => pattern.id === id)) same.push({ id, spec, label, segments });
    this.#patterns.set(segments.length, same);
  }

  /**
   * @param path without escapes and query. An encoded slash parts segments like any other, as it does for
   *             Go's router: no name in a path has one.
   * @returns undefined when no route answers this path with this method
   */
  find(method: string, path: string): RouteMatch | undefined {
    const exact = this.#exact.get(path);
    if (exact) return exact.find((match) => takes(match.spec, method));
    const segments = path.split('/');
    for (const pattern of this.#patterns.get(segments.length) ?? []) {
      if (!takes(pattern.spec, method)) continue;
      const params = matchSegments(pattern.segments, segments);
      if (params) return { id: pattern.id, spec: pattern.spec, label: pattern.label, params };
    }
    return undefined;
  }

  /**
   * Methods that routes of this path take, whatever the method of the request; empty: the path is unknown.
   */
  methodsOf(path: string): string[] {
    const segments = path.split('/');
    const specs = [
      ...(this.#exact.get(path) ?? []),
      ...(this.#patterns.get(segments.length) ?? []).filter((each) => matchSegments(each.segments, segments)),
    ].map(({ spec }) => spec);
    return [
      ...new Set(specs.flatMap((spec) => [...(spec.methods ?? []), ...(isProbed(spec) ? ['HEAD'] : [])])),
    ];
  }
}

function takes(spec: RouteSpec, method: string): boolean {
  if (spec.methods === undefined || spec.methods.includes(method)) return true;
  return method === 'HEAD' && isProbed(spec);
}

/**
 * HEAD is answered where GET alone is: by what load balancers probe. A route that takes POST too runs a
 * query, or does something (`/flush`): as for Loki, HEAD is not among its methods.
 */
function isProbed({ methods }: RouteSpec): boolean {
  return methods !== undefined && methods.includes('GET') && !methods.includes('POST');
}

function matchSegments(
  pattern: readonly string[],
  segments: readonly string[],
): Map<string, string> | undefined {
  const params = new Map<string, string>();
  for (let i = 0; i < pattern.length; i++) {
    if (!pattern[i].startsWith(':')) {
      if (pattern[i] !== segments[i]) return undefined;
      continue;
    }
    const value = segments[i];
    if (value === '') return undefined;
    params.set(pattern[i].slice(1), value);
  }
  return params;
}

/** Percent-decoding; undefined for what does not decode. */
export function decodePath(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // Half an escape or bytes that are no UTF-8: no route has such a name.
    return undefined;
  }
}

const unclean = /\/\/|\/\.\.?(?:\/|$)/;

/**
 * The path without empty, `.` and `..` segments when it has any: clients are sent there, as Go's router does.
 */
export function cleanedPath(path: string): string | undefined {
  if (!path.includes('//') && !path.includes('/.')) return undefined;
  if (!unclean.test(path)) return undefined;
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  const slash = path.endsWith('/') && kept.length > 0 ? '/' : '';
  return `/${kept.join('/')}${slash}`;
}
