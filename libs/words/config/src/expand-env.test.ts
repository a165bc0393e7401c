import { expectCostGrowth } from '@loki/test-tools';
import { expandEnv, ExpandError } from './expand-env.ts';

const env = new Map([
  ['A', 'value'],
  ['PATH_', '/usr/local/lib/x.tar.gz'],
  ['EMPTY', ''],
  ['MIX', 'aBc'],
]);
const expand = (text: string) => expandEnv(text, (name) => env.get(name));

test.each([
  ['plain', 'plain'],
  ['x ${A} y ${A}', 'x value y value'],
  ['${a}', ''],
  ['${NONE}', ''],
  ['$A $$ $', '$A $$ $'],
  ['$${A}', '$value'],
  ['${NONE:-d}', 'd'],
  ['${EMPTY:-d}', 'd'],
  ['${EMPTY-d}', ''],
  ['${NONE-d}', 'd'],
  ['${NONE:=d}', 'd'],
  ['${NONE=d}', 'd'],
  ['${A:-d}', 'value'],
  ['${NONE:-${EMPTY:-${A}}}', 'value'],
  ['${NONE:-a:b/c}', 'a:b/c'],
  ['${#A}', '5'],
  ['${MIX^}', 'ABc'],
  ['${MIX^^}', 'ABC'],
  ['${MIX,}', 'aBc'],
  ['${MIX,,}', 'abc'],
  ['${A:1}', 'alue'],
  ['${A:1:2}', 'al'],
  ['${PATH_#*/}', 'usr/local/lib/x.tar.gz'],
  ['${PATH_##*/}', 'x.tar.gz'],
  ['${PATH_%.*}', '/usr/local/lib/x.tar'],
  ['${PATH_%%.*}', '/usr/local/lib/x'],
  ['${PATH_/local/share}', '/usr/share/lib/x.tar.gz'],
  ['${A//l/$&}', 'va$&ue'],
  ['${A/#va/VA}', 'VAlue'],
  ['${A/%ue/UE}', 'valUE'],
  ['${A/x/y}', 'value'],
])('%j is %j', (text, expanded) => {
  expect(expand(text)).toBe(expanded);
});

test.each(['${A', '${}', '${1x}', '${A!}', '${A:x}', `${'${A:-'.repeat(40)}x${'}'.repeat(40)}`])(
  '%j is refused or harmless',
  (text) => {
    try {
      expect(expand(text).length).toBeLessThan(1000);
    } catch (error) {
      expect(error).toBeInstanceOf(ExpandError);
    }
  },
);

test('a long value and a hostile pattern are matched in bounded time', async () => {
  const prepare = (length: number) => {
    const value = 'a'.repeat(length);
    return () => expandEnv('${X##*a*a*a*a*b}', () => value);
  };
  // The square at most; a backtracking one takes the fifth power.
  await expectCostGrowth(prepare, { small: 100, large: 1_000, timesMax: 400 });
});
