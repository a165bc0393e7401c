/** Protects the meaning of the language, statement by statement: binary operations and label_replace. */
import { instant, range, stream } from './query.ts';
import type { PlainSample } from './query.ts';

const app = { app: 'a' };
const nan = Number.NaN;

/** Instant queries at 100 s over lines at 1, 2, 3 … s. */
function ask(query: string, lines: readonly string[] = []) {
  return instant(query, stream(app, lines));
}

const one = (value: number): PlainSample[] => [['', value]];
const a = (value: number): PlainSample[] => [['app=a', value]];

describe('binary operations', () => {
  const by = (label: string) => `count_over_time({app="a"} | logfmt | keep ${label} [100s])`;
  const all = 'sum(count_over_time({app="a"}[100s]))';
  const lines = ['n=1 m=x', 'n=2 m=x', 'n=1 m=y'];
  test.each<[string, PlainSample[] | number]>([
    // Numbers are folded.
    ['1 + 2 * 3 ^ 2 ^ 0', 7],
    ['-2 ^ 2', 4],
    ['1 - 2 - 3', -4],
    ['2 ^ 3 ^ 2', 512],
    ['7 % 4 * 2', 6],
    ['1 / 0', nan],
    ['5 % 0', nan],
    ['1 > 2', 0],
    ['2 >= bool 2', 1],
    ['vector(1) / vector(0)', one(nan)],
    ['vector(5) % 3', one(2)],
    ['2 ^ vector(3)', one(8)],
    // A comparison keeps the vector's value.
    ['0 < vector(3)', one(3)],
    ['vector(3) < 0', []],
    ['vector(3) < bool 0', one(0)],
    ['vector(3) == vector(3)', one(3)],
    ['vector(3) != bool vector(3)', one(0)],
    // Matching
    [
      `${by('n')} / on () group_left ${all}`,
      [
        ['n=1', 2 / 3],
        ['n=2', 1 / 3],
      ],
    ],
    [
      `${by('n')} / ignoring (n) group_left ${all}`,
      [
        ['n=1', 2 / 3],
        ['n=2', 1 / 3],
      ],
    ],
    [
      `${all} / ignoring (n) group_right ${by('n')}`,
      [
        ['n=1', 1.5],
        ['n=2', 3],
      ],
    ],
    [
      `${by('n')} * on (n) ${by('n')}`,
      [
        ['n=1', 4],
        ['n=2', 1],
      ],
    ],
    [
      `${by('n, m')} * on (n) group_left ${by('n')}`,
      [
        ['m=x,n=1', 2],
        ['m=x,n=2', 1],
        ['m=y,n=1', 2],
      ],
    ],
    [`${by('n')} + ${by('m')}`, []],
    [`${by('n')} > on () group_left ${all} - 2`, [['n=1', 2]]],
    [
      `${by('n')} > bool on () group_left ${all} - 2`,
      [
        ['n=1', 1],
        ['n=2', 0],
      ],
    ],
    // The many side's own label gives way, also to one that the one side does not have.
    [
      `sum by (n) (${by('n, m')}) * on (n) group_right (app) label_replace(${by('n')}, "app", "z", "", "")`,
      [
        ['n=1', 4],
        ['n=2', 1],
      ],
    ],
    [
      `${by('n')} * on (n) group_left (app) label_replace(${by('n')}, "app", "z", "", "")`,
      [
        ['app=z,n=1', 4],
        ['app=z,n=2', 1],
      ],
    ],
    // Sets
    [`${by('n')} and ${by('n')} > 1`, [['n=1', 2]]],
    [`${by('n')} unless ${by('n')} > 1`, [['n=2', 1]]],
    [
      `${by('n')} > 1 or ${by('n')} * 10`,
      [
        ['n=1', 2],
        ['n=2', 10],
      ],
    ],
    [
      `${by('n')} and on () ${all}`,
      [
        ['n=1', 2],
        ['n=2', 1],
      ],
    ],
    [
      `${by('n')} or on () ${all}`,
      [
        ['n=1', 2],
        ['n=2', 1],
      ],
    ],
    [`sum(count_over_time({app="none"}[100s])) or vector(0)`, one(0)],
    // `and` binds tighter than `or`, comparisons tighter than both.
    [`vector(1) or vector(2) and vector(3) > 9`, one(1)],
  ])('%s', async (query, expected) => expect(await ask(query, lines)).toEqual(expected));

  test.each([
    [
      `${by('n')} / ignoring (n) ${all}`,
      'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)',
    ],
    [
      `${all} / ignoring (n) ${by('n')}`,
      'found duplicate series on the right hand-side;many-to-many matching not allowed: matching labels must be unique on one side',
    ],
    [
      `${by('n')} * on () group_right ${by('n')}`,
      'found duplicate series on the left hand-side;many-to-many matching not allowed: matching labels must be unique on one side',
    ],
  ])('%s fails', async (query, message) => {
    await expect(ask(query, lines)).rejects.toMatchObject({ status: 500, message });
  });

  test('samples match at their own steps', async () => {
    const rows = stream(app, ['n=1', 'n=2', 'n=1'], 10);
    const count = (filter: string, seconds: number) =>
      `count_over_time({app="a"} | logfmt | keep n | n=~"${filter}" [${seconds}s])`;
    expect(await range(`${count('.*', 5)} and ${count('1', 2)}`, rows, [10, 20, 2])).toEqual({
      'n=1': [
        [10, 1],
        [12, 2],
      ],
    });
    expect(await range(`${count('1', 2)} or ${count('.*', 2)} * 10`, rows, [10, 12, 2])).toEqual({
      'n=1': [
        [10, 1],
        [12, 1],
      ],
      'n=2': [[12, 10]],
    });
    // Two series with one signature on the one side are no harm while they are not there at once.
    expect(await range(`${count('.*', 1)} * on () ${count('.*', 1)}`, rows, [10, 12, 1])).toEqual({
      '': [
        [10, 1],
        [11, 1],
        [12, 1],
      ],
    });
  });
});

describe('label_replace', () => {
  test.each<[string, PlainSample[]]>([
    // All of the value has to match.
    ['label_replace(vector(1), "a", "$1", "b", "(.*)")', one(1)],
    ['label_replace(vector(1), "a", "x$1", "b", "")', [['a=x', 1]]],
    ['label_replace(count_over_time({app="a"}[100s]), "app", "", "app", "a")', one(1)],
    ['label_replace(count_over_time({app="a"}[100s]), "z", "$1", "app", "b.*")', a(1)],
    ['label_replace(count_over_time({app="a"}[100s]), "z", "${1}-$1x", "app", "(.)")', [['app=a,z=a-', 1]]],
    [
      'label_replace(count_over_time({app="a"}[100s]), "app", "${x}${x}", "app", "(?P<x>.)")',
      [['app=aa', 1]],
    ],
    ['sum by (z) (label_replace(count_over_time({app="a"}[100s]), "z", "y", "", ""))', [['z=y', 1]]],
  ])('%s', async (query, expected) => expect(await ask(query, ['x'])).toEqual(expected));

  test('series that become alike stay apart', async () => {
    const counts = 'count_over_time({app="a"} | logfmt | keep n [100s])';
    expect(await ask(`label_replace(${counts}, "n", "x", "n", ".*")`, ['n=1', 'n=2', 'n=2'])).toEqual([
      ['n=x', 1],
      ['n=x', 2],
    ]);
  });
});
