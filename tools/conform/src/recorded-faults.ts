/**
 * Cases that show the results cache of the recorded server, whose keys omit the step: a later answer is cut
 * out of an earlier one. The figures follow to the byte. An hour after its halves is the cached first half,
 * [0, 1,799 s], and the rest from there, each stream rounded down twice: 264,817 + 156,212 = 421,029 for
 * 421,036. Steps of 97 s after the hour are even shares of it, behind the last line too: 421,029 * 96 / 3,599
 * = 11,230.
 */
const ofTheCache = 'the recorded server cut the answer out of an earlier one in its cache';

export const recordedFaults: ReadonlyMap<string, string> = new Map(
  [
    'volume-range-steps-0a3b1fcd35',
    'volume-range-steps-5d73b3da8d',
    'volume-range-steps-7bb335889e',
    'volume-range-steps-a7042e63d7',
    'volume-range-steps-c156e279d2',
    'volume-range-steps-e0954a283f',
  ].map((id) => [id, ofTheCache]),
);
