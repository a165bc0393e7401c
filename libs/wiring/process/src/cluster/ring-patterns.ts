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
 * Patterns of all ingesters as one answer: each has clustered what it leads. They are kept in memory only, so
 * one that does not answer takes its share with it; the others' are told all the same.
 */
export class RingPatterns implements PatternService {
  readonly #deps: RingPatternsDeps;

  constructor(deps: RingPatternsDeps) {
    this.#deps = deps;
  }

  async patterns(request: PatternsRequest, signal?: AbortSignal): Promise<readonly PatternSeries[]> {
    const { ingesters, serviceOf, logger } = this.#deps;
    // Those that leave still know what they have led.
    const asked = ingesters.ring.instances.filter(({ isHealthy }) => isHealthy);
    if (asked.length === 0) throw new LokiError('unavailable', 'no healthy ingester');
    const outcomes = await Promise.allSettled(
      asked.map(async (instance) => serviceOf(instance).patterns(request, signal)),
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
      } // it clusters nothing
      else if (code === 'badRequest' || signal?.aborted) throw error;
      else {
        logger.warn('an ingester did not tell its patterns', { id: asked[i].id, err: String(error) });
        failure = error;
      }
    });
    if (lists.length === 0) throw failure;
    return mergePatterns(lists);
  }
}
