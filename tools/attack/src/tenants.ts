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
import { drawOperation } from './tenant-operations.ts';
import type { Operation, Tenant } from './tenant-operations.ts';
import { tellVerdict } from './verdict.ts';

const clients = 32;
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

interface Seen {
  count: number;
  /** Answers in which the tenant's own word was: the search sees something. */
  own: number;
}

/** Kinds whose answers show the tenant's own word sooner or later. */
const showing = ['lines', 'series', 'values', 'volume', 'metric', 'rules', 'deletes'];

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
    const operation = drawOperation(tenant, random);
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
