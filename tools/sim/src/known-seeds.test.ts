/** Protects: seeds.txt is well-formed, and so is the command line. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from './args.ts';
import { parseKnownSeeds } from './known-seeds.ts';

describe('seeds.txt', () => {
  test('every line has a seed, a state and a story', () => {
    const known = parseKnownSeeds(readFileSync(join(__dirname, '../seeds.txt'), 'utf8'));
    expect(known.length).toBeGreaterThan(0);
    for (const { story } of known) expect(story.length).toBeGreaterThan(20);
  });

  test('a line that cannot be read is named', () => {
    expect(() => parseKnownSeeds('# fine\nprocess 12 fixed a story\nnonsense')).toThrow('seeds.txt:3');
  });
});

describe('the command line', () => {
  test('a seed, or many', () => {
    expect(parseArgs(['--seed', '42'])).toMatchObject({ fromSeed: 42, seeds: 1 });
    expect(parseArgs(['--model', 'cluster'])).toMatchObject({ models: ['cluster'] });
    expect(parseArgs(['--scale', '--seed', '7'])).toMatchObject({
      models: ['scale'],
      isLarge: true,
      fromSeed: 7,
    });
    expect(parseArgs(['--seeds', '200', '--bug', 'duplicatesKept'])).toMatchObject({
      models: ['process', 'cluster', 'owners', 'catalog', 'scale'],
      fromSeed: 1,
      seeds: 200,
      bug: 'duplicatesKept',
    });
  });

  test.each([['--seed'], ['--seeds', 'x'], ['--bug', 'toString'], ['--model', 'one'], ['--what']])(
    'refuses %s %s',
    (...words) => {
      expect(() => parseArgs(words.filter(Boolean))).toThrow();
    },
  );
});
