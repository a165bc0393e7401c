/**
 * Protects: an answer depends on the data and the question alone, not on where the rows stand or by which
 * way the question went. `npm run fuzz:queries` asks as many as there is time for.
 */
import { parseArgs } from './args.ts';
import { runCampaign } from './campaign.ts';

describe('random queries', () => {
  test('every way to an answer gives the same one, and the laws of the language hold', async () => {
    const options = {
      seed: 1,
      count: 150,
      perData: 30,
      ways: 2,
      oracleOdds: 0.2,
      lawOdds: 0.3,
      refereeOdds: 0.3,
    };
    const {
      queries: asked,
      compared,
      oracled,
      laws,
      refereed,
      errors,
      empty,
      coverage,
      findings,
    } = await runCampaign({
      ...options,
      isShrinking: false,
      findingsMax: 3,
    });
    expect(
      findings.map(({ seed, question, difference, names }) => ({ seed, question, difference, names })),
    ).toEqual([]);
    // Questions that find nothing, or are refused, would prove nothing.
    expect(asked).toBe(150);
    expect(compared).toBeGreaterThan(300);
    expect(empty / asked).toBeLessThan(0.3);
    expect(errors / asked).toBeLessThan(0.15);
    expect(Math.min(oracled, laws, refereed)).toBeGreaterThan(10);
    expect(coverage.lacking()).toEqual([]);
  });
});

test('what one way does not have is found, and shown with little besides', async () => {
  const { findings } = await runCampaign({
    seed: 1,
    count: 200,
    perData: 40,
    ways: 3,
    oracleOdds: 0,
    lawOdds: 0,
    refereeOdds: 0,
    isShrinking: true,
    findingsMax: 1,
    isPlanted: true,
  });
  expect(findings).toHaveLength(1);
  expect(findings[0].data.pushes.length).toBeLessThan(5);
});

describe('the command line', () => {
  test('numbers, and what is to be shown', () => {
    expect(
      parseArgs(['--seed', '7', '--count', '20000', '--oracle', '50', '--ways', 'all', '--show']),
    ).toMatchObject({
      seed: 7,
      count: 20_000,
      oracleOdds: 0.5,
      ways: Infinity,
      isShowing: true,
    });
  });

  test.each([['--seed'], ['--count', 'x'], ['--what']])('refuses %s %s', (...words) => {
    expect(() => parseArgs(words.filter(Boolean))).toThrow();
  });
});
