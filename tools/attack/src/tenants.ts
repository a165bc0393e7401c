/**
 * Three tenants with the same labels and the same questions, all caches on: a million random operations, and
 * no answer may hold a byte of another tenant. Each tenant's lines, labels, metadata and rules carry a word
 * that only it was given; the word of another one is looked for in every answer, headers included.
 *
 *     npm run tenants -- [--operations 1000000] [--seed 1]
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { Agent, request } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { Prng } from '@loki/virtual';
import { Product } from './product.ts';
import { tellVerdict } from './verdict.ts';

const clients = 32;
const apps = 5;
/** Few, so that each record and each segment holds rows of several tenants. */
const partitions = 2;
const tellEvery = 10_000;
/** A machine that others share answers late now and then. */
const failuresShareMax = 0.001;
const timeoutMs = 30_000;

const { values: options } = readOptions(import.meta.filename, {
  options: {
    operations: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
  },
});

interface Tenant {
  readonly name: string;
  /** A word that only this tenant's lines have. */
  readonly word: string;
}

interface Operation {
  readonly kind: string;
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
  readonly type?: string;
}

interface Seen {
  count: number;
  /** Answers in which the tenant's own word was: the search sees something. */
  own: number;
}

/** Weight and maker of each kind. */
type Kind = readonly [number, (tenant: Tenant, random: Prng) => Operation];

/** Kinds whose answers show the tenant's own word sooner or later. */
const showing = ['lines', 'series', 'values', 'volume', 'metric', 'rules', 'deletes'];

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

async function main(): Promise<number> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-tenants-'));
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(file, JSON.stringify(config()));
  const product = await Product.start(0, [`-config.file=${file}`, `-write-log.partitions=${partitions}`]);
  const run = new Run(product, Number(options.operations));
  try {
    const faults = await run.all();
    if (!product.isAlive) faults.push(`the process ended: ${product.logTail()}`);
    return tellVerdict(faults);
  } finally {
    run.end();
    await product.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

class Run {
  readonly #port: number;
  readonly #operations: number;
  readonly #cpuSeconds: () => number;
  readonly #beganMs = performance.now();
  readonly #agent = new Agent({ keepAlive: true, maxSockets: clients });
  readonly #tenants = ['ant', 'bee', 'cat'].map((name): Tenant => ({
    name,
    word: `w${randomBytes(8).toString('hex')}`,
  }));
  readonly #countsOfKind = new Map<string, Seen>();
  readonly #faults: string[] = [];
  #foreign = 0;
  #failures = 0;
  #done = 0;

  constructor(product: Product, operations: number) {
    this.#port = product.port;
    this.#cpuSeconds = () => product.cpuSeconds();
    this.#operations = operations;
  }

  /** Faults in sentences. */
  async all(): Promise<string[]> {
    const random = new Prng(options.seed);
    const one = async (number: number): Promise<void> => {
      const own = random.fork(`client ${number}`);
      while (this.#done < this.#operations) {
        this.#done += 1;
        const isTold = this.#done % tellEvery === 0;
        if (isTold) this.#tell();
        await this.#once(own);
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, i) => one(i)));
    console.log(JSON.stringify({ operations: this.#done, failures: this.#failures, foreign: this.#foreign }));
    console.log(JSON.stringify(Object.fromEntries(this.#countsOfKind)));
    for (const kind of showing) {
      if (!this.#countsOfKind.get(kind)?.own) {
        this.#faults.push(`no answer of ${kind} shows a tenant its own word`);
      }
    }
    if (this.#failures > failuresShareMax * this.#operations) {
      this.#faults.push(`${this.#failures} operations failed`);
    }
    return this.#faults;
  }

  end(): void {
    this.#agent.destroy();
  }

  async #once(random: Prng): Promise<void> {
    const tenant = random.pick(this.#tenants);
    const operation = drawn(random)(tenant, random);
    const { status, text } = await this.#ask(tenant, operation);
    const counts = this.#countsOfKind.get(operation.kind) ?? { count: 0, own: 0 };
    this.#countsOfKind.set(operation.kind, counts);
    counts.count += 1;
    if (text.includes(tenant.word)) counts.own += 1;
    for (const other of this.#tenants) {
      if (other === tenant || !text.includes(other.word)) continue;
      this.#foreign += 1;
      this.#fault(`${tenant.name} reads of ${other.name} in ${operation.path}: ${text.slice(0, 300)}`);
    }
    // An empty answer is no failure.
    if (status < 300 || status === 404) return;
    this.#failures += 1;
    if (this.#failures <= 5) console.log(`${operation.path}: ${status} ${text.slice(0, 300)}`);
  }

  #tell(): void {
    const seconds = Math.round((performance.now() - this.#beganMs) / 1000);
    const cpuMs = (this.#cpuSeconds() * 1000) / this.#done;
    console.log(
      `${this.#done} operations after ${seconds} s (${cpuMs.toFixed(1)} ms of CPU each), ` +
        `${this.#foreign} with foreign bytes, ${this.#failures} failed`,
    );
  }

  #fault(text: string): void {
    if (this.#faults.length < 10) this.#faults.push(text);
  }

  /** The answer with its headers, as text. */
  #ask(
    tenant: Tenant,
    { method = 'GET', path: target, body, type }: Operation,
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve) => {
      const headers = {
        'x-scope-orgid': tenant.name,
        ...(body ? { 'content-type': type ?? 'application/json' } : {}),
      };
      const where = { host: '127.0.0.1', port: this.#port, agent: this.#agent, method, path: target };
      const outgoing = request({ ...where, headers, timeout: timeoutMs }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('close', () =>
          resolve({
            status: response.statusCode!,
            text: `${response.rawHeaders.join('\n')}\n${Buffer.concat(chunks).toString('latin1')}`,
          }),
        );
      });
      outgoing.once('timeout', () => outgoing.destroy(new Error('no answer')));
      outgoing.once('error', (error) => resolve({ status: 599, text: error.message }));
      outgoing.end(body);
    });
  }
}

const totalWeight = kinds.reduce((sum, [weight]) => sum + weight, 0);

function drawn(random: Prng): Kind[1] {
  let at = random.float() * totalWeight;
  for (const [weight, make] of kinds) {
    if (at < weight) return make;
    at -= weight;
  }
  return kinds[0][1];
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

/** All caches, and times so short that lines are read from heads, flushed and compacted segments. */
function config(): object {
  return {
    ingester: { chunk_idle_period: '5s', max_chunk_age: '20s' },
    compactor: {
      compaction_interval: '10s',
      retention_enabled: true,
      delete_request_store: 'filesystem',
      delete_request_cancel_period: '10s',
    },
    query_range: {
      cache_results: true,
      cache_instant_metric_results: true,
      cache_label_results: true,
      cache_series_results: true,
      cache_index_stats_results: true,
      cache_volume_results: true,
    },
    limits_config: { deletion_mode: 'filter-and-delete', volume_enabled: true },
    pattern_ingester: { enabled: true },
    ruler: { enable_api: true },
  };
}

process.exitCode = await main();
