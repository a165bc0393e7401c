import type { LabelPair } from '@loki/model';
import { expectCostGrowth } from '@loki/test-tools';
import { fieldTypeOf } from '../common/field-type.ts';
import { FieldDetector } from './field-detector.ts';

// Protects detected fields: those found in lines of an unknown format are those the parser stages would
// make.

const detector = new FieldDetector();

function detect(line: string, stream: LabelPair[] = []) {
  const { parser, names, values, count } = detector.detect(stream, Buffer.from(line));
  return { parser, ...Object.fromEntries(names.slice(0, count).map((name, i) => [name, values[i]])) };
}

test('a line is read as JSON, then as logfmt, which is the parser of any other line', () => {
  expect(detect('{"a":1,"b":{"c":"x"},"d":[1],"e":null}')).toEqual({ parser: 'json', a: '1', b_c: 'x' });
  expect(detect('a=1 b="x y" c=')).toEqual({ parser: 'logfmt', a: '1', b: 'x y' });
  expect(detect('just words')).toEqual({ parser: 'logfmt' });
  expect(detect('{}')).toEqual({ parser: 'json' });
  expect(detect('{"a":1} suffix')).toEqual({ parser: 'json', a: '1' });
});

test('labels found before JSON broke off are not mixed with those of logfmt', () => {
  expect(detect('{"a":1, x=2')).toEqual({ parser: 'logfmt', x: '2' });
});

test('a name that the stream has gets a suffix', () => {
  expect(detect('app=1 b=3', [['app', 'x']])).toEqual({ parser: 'logfmt', app_extracted: '1', b: '3' });
});

test.each([
  ['{"user":{"id":1}}', 'user_id', ['user', 'id']],
  ['{"user":{"na.me":{"x":1}}}', 'user_na_me_x', ['user', 'na.me', 'x']],
  ['{"user":null,"user_id":2,"app":"x"}', 'app_extracted', ['app']],
  ['{"app_extracted":"x"}', 'app_extracted', ['app_extracted']],
  ['{"__proto__":{"x":1}}', '__proto___x', ['__proto__', 'x']],
  ['{"a_b":1,"a":{"b":2}}', 'a_b', ['a_b']],
  ['{"a":{"b":2},"a_b":1} rest', 'a_b', ['a', 'b']],
  ['{"unié":1}', 'uni_', ['unié']],
])('in %s the path of %s is %j', (line, name, path) => {
  const { names, count, pathOf } = detector.detect([['app', 'a']], Buffer.from(line));
  expect(pathOf(names.slice(0, count).indexOf(name))).toEqual(path);
});

test('objects nested without end are looked into down to a bound', () => {
  expect(detect(`${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`)).toEqual({ parser: 'json' });
});

test('twenty thousand keys of one line are read in linear time', async () => {
  const prepare = (length: number) => {
    const keys = Array.from({ length }, (_, i) => `"k${i}":${i}`);
    const line = Buffer.from(`{${keys.join(',')}}`);
    return () => {
      const { count, names, pathOf } = detector.detect([], line);
      expect(count).toBe(length);
      for (let i = 0; i < count; i += 1) {
        expect(pathOf(i)[0]).toBe(names[i]);
      }
    };
  };
  await expectCostGrowth(prepare, { small: 1_000, large: 20_000 });
});

test.each([
  ['12', 'int'],
  ['-9223372036854775808', 'int'],
  ['9223372036854775808', 'float'],
  ['1.5', 'float'],
  ['1e3', 'float'],
  ['true', 'boolean'],
  ['False', 'boolean'],
  ['15ms', 'duration'],
  ['1h2m', 'duration'],
  ['10KiB', 'bytes'],
  ['2.5 MB', 'bytes'],
  ['10.0.0.1', 'string'],
  ['', 'string'],
  ['GET', 'string'],
])('%s is of type %s', (value, type) => {
  expect(fieldTypeOf(value)).toBe(type);
});
