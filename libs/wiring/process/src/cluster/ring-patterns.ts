/** Patterns from all ingesters as one answer. */
import { LokiError } from '@loki/model';
import { mergePatterns } from '@loki/patterns';
import type { Logger, PatternSeries, PatternService, PatternsRequest } from '@loki/ports';
import type { ObservedInstance, RingView } from '@loki/ring';

interface RingPatternsDeps {
  readonly ingesters: Pick<RingView, 'ring'>;
  readonly serviceOf: (instance: ObservedInstance) => PatternService;
  readonly logger: Logger;
}

/**
 * Patterns of all ingesters as one answer: each has the patterns of the partitions that it leads. Patterns
 * are in memory only, so those of a silent ingester are missing.
 */
export class RingPatterns implements PatternService {
  readonly #deps: RingPatternsDeps;

  constructor(deps: RingPatternsDeps) {
    this.#deps = deps;
  }

  async patterns(request: PatternsRequest, signal?: AbortSignal): Promise<readonly PatternSeries[]> {
    const { ingesters, serviceOf, logger } = this.#deps;
    // Leaving ingesters still have the patterns of their partitions.
    const healthy = ingesters.ring.instances.filter(({ isHealthy }) => isHealthy);
    if (healthy.length === 0) throw new LokiError('unavailable', 'no healthy ingester');
    const outcomes = await Promise.allSettled(
      healthy.map(async (instance) => serviceOf(instance).patterns(request, signal)),
    );
    const lists: (readonly PatternSeries[])[] = [];
    let failure: unknown;
    outcomes.forEach((outcome, i) => {
      if (outcome.status === 'fulfilled') {
        lists.push(outcome.value);
        return;
      }
      const error: unknown = outcome.reason;
      const code = error instanceof LokiError ? error.code : 'internal';
      if (code === 'methodNotAllowed') {
        lists.push([]);
      } // an ingester without patterns
      else if (code === 'badRequest' || signal?.aborted) throw error;
      else {
        logger.warn('an ingester did not return its patterns', { id: healthy[i].id, err: String(error) });
        failure = error;
      }
    });
    if (lists.length === 0) throw failure;
    return mergePatterns(lists);
  }
}
