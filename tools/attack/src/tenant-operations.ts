/** The operations of the attack on tenants' walls: the same questions for all of them. */
import type { Prng } from '@loki/virtual';

/** One of the tenants that share the product. */
export interface Tenant {
  readonly name: string;
  /** A word that only this tenant's lines have. */
  readonly word: string;
}

/** A request to the product. */
export interface Operation {
  readonly kind: string;
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
  readonly type?: string;
}

/** Weight and maker of each kind. */
type Kind = readonly [number, (tenant: Tenant, random: Prng) => Operation];

const apps = 5;

const kinds: readonly Kind[] = [
  [20, push],
  [
    25,
    (_, random) =>
      queryOf('lines', 'query_range', { query: selector(random), limit: '20', ...range(random) }),
  ],
  [
    10,
    (_, random) =>
      queryOf('metric', 'query_range', {
        query: `sum by (owner) (count_over_time(${selector(random)}[10s]))`,
        step: '10',
        ...range(random),
      }),
  ],
  [
    8,
    (_, random) =>
      queryOf('instant', 'query', {
        query: `topk(2, sum by (app, owner) (rate(${selector(random)} |= "secret" [30s])))`,
        time: range(random).end,
      }),
  ],
  [8, (_, random) => queryOf('labels', 'labels', range(random))],
  [8, (_, random) => queryOf('values', 'label/owner/values', range(random))],
  [6, (_, random) => queryOf('series', 'series', { 'match[]': selector(random), ...range(random) })],
  [4, (_, random) => queryOf('volume', 'index/volume', { query: '{owner=~".+"}', ...range(random) })],
  [3, (_, random) => queryOf('stats', 'index/stats', { query: selector(random), ...range(random) })],
  [2, (_, random) => queryOf('fields', 'detected_fields', { query: selector(random), ...range(random) })],
  [2, (_, random) => queryOf('patterns', 'patterns', { query: selector(random), ...range(random) })],
  [2, () => ({ kind: 'rules', path: '/loki/api/v1/rules' })],
  [1, setRules],
  [0.5, () => ({ kind: 'deletes', path: '/loki/api/v1/delete' })],
  [0.05, removeOld],
];

const totalWeight = kinds.reduce((sum, [weight]) => sum + weight, 0);

/** An operation of a kind that is drawn by its weight. */
export function drawOperation(tenant: Tenant, random: Prng): Operation {
  let at = random.float() * totalWeight;
  for (const [weight, make] of kinds) {
    if (at < weight) return make(tenant, random);
    at -= weight;
  }
  return push(tenant, random);
}

function push({ word }: Tenant, random: Prng): Operation {
  const ns = `${Date.now()}${String(random.int(0, 999_999)).padStart(6, '0')}`;
  const line = `level=info secret=${word} n=${random.int(0, 1e9)}`;
  const stream = { app: `app-${random.int(1, apps)}`, owner: word };
  const streams = [{ stream, values: [[ns, line, { trace: `${word}-${random.int(0, 99)}` }]] }];
  return { kind: 'push', method: 'POST', path: '/loki/api/v1/push', body: JSON.stringify({ streams }) };
}

/** The same for all tenants. */
function selector(random: Prng): string {
  return random.chance(0.3) ? '{app=~".+"}' : `{app="app-${random.int(1, apps)}"}`;
}

/** Whole tens of seconds of the last minute: the same ranges come again, from caches. */
function range(random: Prng): { start: string; end: string } {
  const now = Math.floor(Date.now() / 10_000) * 10;
  const end = now - 10 * random.int(-1, 3);
  return { start: String(end - 10 * random.int(1, 3)), end: String(end) };
}

function queryOf(kind: string, name: string, query: Readonly<Record<string, string>>): Operation {
  return { kind, path: `/loki/api/v1/${name}?${new URLSearchParams(query).toString()}` };
}

function setRules({ word }: Tenant, random: Prng): Operation {
  const body = `name: g${random.int(1, 3)}\ninterval: 1m\nrules:\n- record: ${word}:lines\n  expr: sum(rate({app="app-1"}[1m]))\n`;
  return {
    kind: 'set rules',
    method: 'POST',
    path: '/loki/api/v1/rules/same',
    body,
    type: 'application/yaml',
  };
}

function removeOld({ word }: Tenant): Operation {
  const now = Math.floor(Date.now() / 1000);
  const query = { query: `{owner="${word}", app="app-1"}`, start: String(now - 600), end: String(now - 120) };
  const path = `/loki/api/v1/delete?${new URLSearchParams(query).toString()}`;
  return { kind: 'remove', method: 'POST', path };
}
