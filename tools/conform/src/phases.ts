/** Runs the recorded cases from memory, after a flush, and after compaction. */
import fs from 'node:fs';
import path from 'node:path';
import { reports } from './collections.ts';
import { Corpus } from './corpus.ts';
import type { TenantData } from './corpus.ts';
import { Counts, cachesOf, cutsOf } from './counts.ts';
import { ofTenants, writeDataset } from './dataset.ts';
import { halvesOf } from './halves.ts';
import { readSources } from './read-sources.ts';
import type { ReadSources } from './read-sources.ts';
import { recordedFaults } from './recorded-faults.ts';
import { replayReports } from './reports.ts';
import { storedTenants } from './stored.ts';
import { waitFor } from './system.ts';
import type { System } from './system.ts';
import type { Way } from './ways.ts';

/**
 * Areas of cases that only query, of data that is pushed for all of them: their cases are repeated after a
 * flush and after compaction.
 */
const readAreas =
  '^(?=(log-.*|metric-.*|meta-.*|query-errors|limits-query|stats-shape|params-.*|whizard|detected-fields-.*|errors-in-.*|' +
  'filter-.*|random-(?:log|meta|metric)|volume-.*)$)';

/**
 * Of lines that came in two pieces, until they are compacted: volumes count names and values of structured
 * metadata once for each piece of a stream, as the recorded server does for each of its chunks, and it had
 * one.
 */
const volumesOfPieces: ReadonlyMap<string, string> = new Map(
  [
    'meta-volume-2a3a2c4450',
    'meta-volume-5abd3f8094',
    'meta-volume-7652f4b094',
    'meta-volume-8fa00cf4ec',
    'meta-volume-bc35339ea6',
    'meta-volume-c9f1947563',
    'meta-volume-d252e48cd9',
    'meta-volume-d2b411660b',
    'meta-volume-e09ae13717',
    'meta-volume-f6de7106df',
    'meta-volume-fa0832d043',
    'volume-range-steps-1b709bb2bb',
    'volume-range-steps-252b2c4767',
    'volume-range-steps-4364e846aa',
    'volume-range-steps-6008b645fd',
    'volume-range-steps-7e51015e5d',
    'volume-range-steps-8bf59e95e0',
    'volume-range-steps-9e2248ce1f',
    'volume-range-steps-c20400fd17',
    'volume-range-steps-e928d41905',
    'volume-range-steps-f4c71ffdc0',
    'volume-range-steps-fdfb540e08',
  ].map((id) => [id, 'metadata is counted once for each piece']),
);

const flushTimeoutMs = 60_000;

/** Caches that must answer many of the cases. */
const busyCaches = ['frontend.results-cache', 'frontend.instant-metric-results-cache'];

interface PhasesOptions {
  readonly way: Way;
  /**
   * Answers from caches are checked in the last phase only; queries that are cut over half-stored data are
   * not cut over flushed data.
   */
  readonly inCi: boolean;
  /** For the corpus's runner. */
  readonly passedOn: readonly string[];
  /** Where results are written. */
  readonly directory: string;
}

/** Runs the recorded cases against one system: from memory, after a flush, and after compaction. */
export class Phases {
  readonly #corpus: Corpus;
  readonly #system: System;
  readonly #options: PhasesOptions;
  readonly #result: string;
  readonly #dataset: readonly TenantData[];
  readonly #failed: string[] = [];
  readonly #summary: string[] = [];
  #t0 = '';
  #isInPieces: boolean;

  constructor(corpus: Corpus, system: System, options: PhasesOptions) {
    this.#corpus = corpus;
    this.#system = system;
    this.#options = options;
    this.#isInPieces = options.way.isCut;
    this.#result = path.join(options.directory, 'result.json');
    this.#dataset = corpus.dataset();
  }

  /** Every area, from memory alone; true when all passed. */
  async first(): Promise<boolean> {
    await this.#fromMemory();
    await this.#replayReports('in memory');
    return this.#isWell();
  }

  /** True when all passed in all phases. */
  async all(): Promise<boolean> {
    const { way, inCi } = this.#options;
    await this.#fromMemory();
    await this.#replayReports('in memory');
    await this.#flush();
    await this.#replayReports('flushed');
    if (!way.isCut || !inCi) await this.#again('flushed', false);
    if (way.isCached && !inCi) await this.#again('flushed', true);

    await this.#compact();
    this.#isInPieces = false;
    await this.#again('compacted', false);
    if (way.isCached) await this.#again('compacted', true);
    return this.#isWell();
  }

  async #fromMemory(): Promise<void> {
    const { way, inCi, passedOn } = this.#options;
    await this.#system.start();
    // A query that reads only memory is never cut: for the cut way, half of the rows are in the store.
    const when = way.isCut ? 'half in memory' : 'in memory';
    const loaded = way.isCut ? await this.#loadFirstHalf() : [];
    await this.#ask(when, [...loaded, ...passedOn]);
    this.#t0 = Corpus.startOf(this.#result);
    await this.#system.check();
    if (way.isCut && !inCi) await this.#again(when, true);
  }

  #isWell(): boolean {
    console.log(`\n${this.#summary.join('\n')}`);
    if (this.#failed.length > 0) this.#tellLogs();
    return this.#failed.length === 0;
  }

  /** Loads the first half; returns the options with which the runner loads only the other half. */
  async #loadFirstHalf(): Promise<string[]> {
    const { directory, passedOn } = this.#options;
    const { earlier, later } = halvesOf(this.#dataset);
    const [first, second] = [path.join(directory, 'earlier'), path.join(directory, 'later')];
    writeDataset(first, earlier);
    writeDataset(second, later);
    const format = passedOn.indexOf('--push-format');
    const options = format < 0 ? [] : passedOn.slice(format, format + 2);
    this.#t0 = await this.#corpus.load(this.#system.url, first, directory, options);
    await this.#flush();
    return ['--t0', this.#t0, '--dataset', second];
  }

  /** The requested areas that only read. */
  async #again(when: string, isSecond: boolean): Promise<void> {
    const { passedOn } = this.#options;
    const at = passedOn.indexOf('--area');
    const areas = at < 0 ? readAreas : `${readAreas}(?=.*?(?:${passedOn[at + 1]}))`;
    const repeatArgs = ['--no-load', '--t0', this.#t0, ...passedOn.filter((each) => each !== '--flush')];
    await this.#ask(isSecond ? `${when}, again` : when, [...repeatArgs, '--area', areas], isSecond);
  }

  async #ask(when: string, options: readonly string[], isSecond = false): Promise<void> {
    const beganMs = Date.now();
    console.log(`\n— ${when} —`);
    const before = await Counts.of(this.#system.urls);
    const { url, expectedFailures } = this.#system;
    const all = new Map([
      ...recordedFaults,
      ...expectedFailures,
      ...(this.#isInPieces ? volumesOfPieces : []),
    ]);
    const outcome = await this.#corpus.run(url, this.#result, options, all);
    const counts = (await Counts.of(this.#system.urls)).since(before);
    const { passed, failed, notRequired } = outcome;
    const answered =
      `${passed} passed, ${failed.length} failed, ${outcome.expected} known to differ` +
      (notRequired === 0 ? '' : `, ${notRequired} not required failed`);
    this.#summary.push(
      `— ${when}: ${answered}; ${seconds(Date.now() - beganMs)} s —`,
      ...this.#costs(counts, isSecond),
    );
    this.#failed.push(...failed);
  }

  /** Cases from bug reports push lines of their own. Of a choice of recorded cases they are no part. */
  async #replayReports(when: 'in memory' | 'flushed'): Promise<void> {
    if (!reports || this.#isChoice()) return;
    const name = `reports, ${when}`;
    console.log(`\n— ${name} —`);
    const isWell = await replayReports(reports, this.#system.url, when === 'flushed');
    const verdict = isWell ? 'passed' : reports.isRequired ? 'failed' : 'not required, failed';
    this.#summary.push(`— ${name}: ${verdict} —`);
    if (!isWell && reports.isRequired) this.#failed.push(name);
  }

  #isChoice(): boolean {
    return ['--area', '--id', '--cases'].some((option) => this.#options.passedOn.includes(option));
  }

  /** Reports cuts and cache hits, and fails when the way's own feature was not used. */
  #costs(counts: Counts, isSecond: boolean): string[] {
    const { isCut, isCached } = this.#options.way;
    const lines: string[] = [];
    const { splitQueries, stretches, shardedQueries, parts } = cutsOf(counts);
    if (splitQueries + shardedQueries > 0 || isCut) {
      lines.push(
        `    ${splitQueries} queries in ${stretches} stretches of time, ${shardedQueries} in ${parts} parts by stream`,
      );
    }
    if (isCut && (splitQueries === 0 || shardedQueries === 0)) this.#fail('nothing was cut');
    if (!isCached) return lines;
    const caches = cachesOf(counts);
    const names = caches.filter(({ lookups }) => lookups > 0);
    lines.push(...names.map(({ name, lookups, hits }) => `    ${name}: ${hits} of ${lookups}`));
    for (const { name, hits } of names) {
      if (isSecond && hits === 0 && busyCaches.includes(name)) this.#fail(`${name} has answered nothing`);
    }
    if (isSecond && names.length === 0) this.#fail('no cache was asked');
    return lines;
  }

  async #flush(): Promise<void> {
    await waitFor('what was pushed is flushed', async () => {
      const signal = AbortSignal.timeout(flushTimeoutMs);
      const { status } = await fetch(`${this.#system.url}/flush`, { method: 'POST', signal });
      if (status !== 204) throw new Error(`flush: ${status}`);
      return this.#is(({ segments, unflushedLines }) => segments > 0 && unflushedLines === 0);
    });
    console.log('\nflushed');
  }

  /** Until the store has nothing that was not compacted, and queriers know it. */
  async #compact(): Promise<void> {
    const beganMs = Date.now();
    const { configText } = this.#system;
    const tenants = new Set(this.#dataset.map(({ tenant }) => tenant));
    const before = ofTenants(await storedTenants(configText), tenants);
    if (before.compacted > 0 || before.flushed <= tenants.size) {
      throw new Error(
        `${before.flushed} flushed segments and ${before.compacted} compacted: nothing to merge`,
      );
    }
    let after = before;
    await this.#system.compactUntil(async () => {
      after = ofTenants(await storedTenants(configText), tenants);
      return after.flushed === 0;
    });
    const storedMs = Date.now();
    if (after.rows !== before.rows) throw new Error(`${before.rows} rows became ${after.rows}`);
    await waitFor('queriers read what was compacted', () =>
      this.#is(({ segments, unflushedLines }) => segments <= 1 && unflushedLines === 0),
    );
    this.#summary.push(
      `${before.flushed} flushed sections of ${tenants.size} tenants became ${after.compacted} in ` +
        `${seconds(storedMs - beganMs)} s, and queriers read them after ${seconds(Date.now() - storedMs)} s`,
    );
  }

  /** Where each tenant's lines are, as all queriers see it. */
  async #is(isSo: (sources: ReadSources) => boolean): Promise<boolean> {
    const all = await readSources(this.#system.url, this.#dataset, Number(this.#t0));
    return all.every(isSo);
  }

  /** Of a choice of cases nothing is expected but their answers. */
  #fail(text: string): void {
    if (this.#isChoice()) return;
    this.#summary.push(`    ${text}`);
    this.#failed.push(text);
  }

  #tellLogs(): void {
    for (const [name, file] of this.#system.logs) {
      if (!fs.existsSync(file)) continue;
      const log = fs.readFileSync(file, 'utf8').split('\n');
      const worst = log.filter((line) => /level=(warn|error)/.test(line)).slice(-3);
      if (worst.length > 0) {
        console.log(`${name}:\n${worst.map((line) => `  ${line.slice(0, 300)}`).join('\n')}`);
      }
    }
  }
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(0);
}
