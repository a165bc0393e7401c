/** Patterns of the lines that enter heads, for `/patterns`. */
import { compileMatchers, parseMatchers } from '@loki/logql';
import { mib, nsPerMs } from '@loki/model';
import { bucketSeconds, PatternStore, summarizeTask } from '@loki/patterns';
import type { Logger, PatternSeries, PatternService, PatternsRequest, Workers } from '@loki/ports';
import type { PatternMetrics } from '@loki/telemetry';

interface PatternIngesterDeps {
  readonly workers: Workers;
  readonly logger: Logger;
  readonly metrics: PatternMetrics;
}

interface PatternIngesterOptions {
  /** Memory of patterns; the longest silent streams are evicted first. */
  readonly storeBytesMax: number;
  /** Records that wait for a worker; further ones are left out: patterns must not delay other work. */
  readonly pendingBytesMax: number;
}

const patternIngesterOptionsDefault: PatternIngesterOptions = {
  storeBytesMax: 64 * mib,
  pendingBytesMax: 16 * mib,
};

/** The parts of a head's record that patterns need. */
export interface PatternSource {
  readonly bytes: Uint8Array;
  readonly rowCount: number;
}

/**
 * Clusters the lines of records that enter the heads, over the last hours, in memory only: after a restart it
 * has the unflushed lines only.
 */
export class PatternIngester implements PatternService {
  readonly #deps: PatternIngesterDeps;
  readonly #options: PatternIngesterOptions;
  readonly #store: PatternStore;
  #pendingBytes = 0;
  #pending: Promise<void> = Promise.resolve();

  constructor(deps: PatternIngesterDeps, options: Partial<PatternIngesterOptions> = {}) {
    this.#deps = deps;
    this.#options = { ...patternIngesterOptionsDefault, ...options };
    this.#store = new PatternStore({ bytesMax: this.#options.storeBytesMax });
  }

  /** Adds a record if there is room, and returns at once. */
  offer(record: PatternSource): void {
    const { bytes, rowCount } = record;
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes.length > this.#options.pendingBytesMax) {
      this.#deps.metrics.linesSkipped('busy', rowCount);
      return;
    }
    this.#pendingBytes += bytes.length;
    // One at a time: patterns take one of the threads of queries at most.
    this.#pending = this.#pending.then(async () => {
      try {
        await this.#take(bytes);
      } catch (error) {
        this.#deps.logger.warn('patterns of a record are left out', { err: String(error) });
        this.#deps.metrics.linesSkipped('no_pattern', rowCount);
      } finally {
        this.#pendingBytes -= bytes.length;
      }
    });
  }

  /** Resolves when all offered records are clustered. */
  idle(): Promise<void> {
    return this.#pending;
  }

  async patterns(request: PatternsRequest): Promise<readonly PatternSeries[]> {
    const matchers = request.selector === '' ? [] : parseMatchers(request.selector);
    const steps = Math.floor(Number(request.stepNs) / 1e9 / bucketSeconds);
    return Promise.resolve(
      this.#store.query({
        tenant: request.tenant,
        matches: compileMatchers(matchers),
        startSeconds: Number(request.startNs / nsPerMs) / 1000,
        endSeconds: Number(request.endNs / nsPerMs) / 1000,
        stepSeconds: Math.max(1, steps) * bucketSeconds,
      }),
    );
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const { metrics, workers } = this.#deps;
    const summary = await workers.run(summarizeTask, { bytes });
    if (summary.skipped > 0) metrics.linesSkipped('no_pattern', summary.skipped);
    for (const [tenant, count] of this.#store.add(summary)) {
      if (count > 0) metrics.patternsDetected(tenant, count);
    }
    metrics.memory(this.#store.bytes, this.#store.streamCount);
  }
}
