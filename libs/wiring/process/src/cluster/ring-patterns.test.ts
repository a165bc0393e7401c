/** Protects: patterns of all ingesters become one answer, also when one is silent. */
import { LokiError, parseTenantId } from '@loki/model';
import type { Logger, PatternSeries, PatternsRequest } from '@loki/ports';
import { Ring } from '@loki/ring';
import type { ObservedInstance } from '@loki/ring';
import { observedMember } from '../test/observed-member.ts';
import { RingPatterns } from './ring-patterns.ts';

const request: PatternsRequest = {
  tenant: parseTenantId('t'),
  selector: '',
  startNs: 0n,
  endNs: 100n,
  stepNs: 10n,
};

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

type Answers = Record<string, readonly PatternSeries[] | LokiError>;

function patternsOf(members: readonly ObservedInstance[], answers: Answers) {
  const asked: string[] = [];
  const patterns = new RingPatterns({
    ingesters: { ring: new Ring(members) },
    serviceOf: ({ id }) => ({
      async patterns() {
        asked.push(id);
        const answer = answers[id];
        if (answer instanceof LokiError) throw answer;
        return answer;
      },
    }),
    logger,
  });
  return { asked, patterns };
}

const series = (pattern: string, ...samples: [number, number][]): PatternSeries => ({
  pattern,
  level: '',
  samples,
});

test('all healthy ingesters are asked, those that leave too, and their counts add up', async () => {
  const { asked, patterns } = patternsOf(
    [
      observedMember('a'),
      observedMember('b', { state: 'LEAVING' }),
      observedMember('c', { isHealthy: false }),
      observedMember('d'),
    ],
    {
      a: [series('x <_>', [10, 1], [20, 2])],
      b: [series('x <_>', [20, 3], [30, 4]), series('y', [10, 100])],
      d: new LokiError('methodNotAllowed', 'unknown service'),
    },
  );
  expect(await patterns.patterns(request)).toEqual([
    series('y', [10, 100]),
    series('x <_>', [10, 1], [20, 5], [30, 4]),
  ]);
  expect(asked).toEqual(['a', 'b', 'd']);
});

test('one that does not answer takes only its share with it; when nobody does that is said', async () => {
  const away = new LokiError('unavailable', 'a: connection refused');
  const one = patternsOf([observedMember('a'), observedMember('b')], { a: away, b: [series('y', [10, 1])] });
  expect(await one.patterns.patterns(request)).toEqual([series('y', [10, 1])]);
  const none = patternsOf([observedMember('a'), observedMember('b')], { a: away, b: away });
  await expect(none.patterns.patterns(request)).rejects.toMatchObject({ code: 'unavailable' });
  await expect(patternsOf([], {}).patterns.patterns(request)).rejects.toThrow('no healthy ingester');
});
