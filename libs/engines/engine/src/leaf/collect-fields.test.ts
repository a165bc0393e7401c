/**
 * Protects the bound on how much of an answer is read for its fields, and that reading stops when no caller
 * waits.
 */
import type { WorkerEnv } from '@loki/ports';
import { finish } from '../test/finalize-series.ts';
import { collectFields, fieldsTask } from './collect-fields.ts';
import type { FieldsTaskInput } from './collect-fields.ts';

function inputOf(lines: readonly string[], more: Partial<FieldsTaskInput> = {}): FieldsTaskInput {
  let end = 0;
  return {
    labelSets: [
      {
        stream: [['app', 'a']],
        structuredMetadata: [],
        parsed: [],
        origin: { hash: 0n, text: '' },
      },
    ],
    labelSet: new Uint32Array(lines.length),
    lineEnds: Uint32Array.from(lines, (line) => (end += Buffer.byteLength(line))),
    lines: Buffer.from(lines.join('')),
    order: Uint32Array.from(lines.keys()),
    fieldsMax: 1000,
    ...more,
  };
}

test('lines beyond 8 MiB are not read, but the first is, however long', () => {
  const long = `n=1 x=${'y'.repeat(5 * 1024 * 1024)}`;
  const fields = finish(collectFields(inputOf([long, long.replace('n=1', 'n=2'), 'late=1'])));
  expect(fields.map(({ label, cardinality }) => [label, cardinality])).toEqual([
    ['n', 1],
    ['x', 1],
  ]);
  expect(finish(collectFields(inputOf([`n=1 x=${'y'.repeat(9 * 1024 * 1024)}`])))).toHaveLength(2);
});

test('rows are read in the order given', () => {
  const lines = ['n=1', 'n=x'];
  const typeIn = (order: number[]) =>
    finish(collectFields(inputOf(lines, { order: Uint32Array.from(order) })))[0].type;
  expect([typeIn([0, 1]), typeIn([1, 0])]).toEqual(['string', 'int']);
});

test('values are told of the field that is asked for, as many as are wanted', () => {
  const input = inputOf(['a=1 b=1', 'a=2 b=1', 'a=3'], { valuesOf: 'a', valuesMax: 2, fieldsMax: 1 });
  expect(finish(collectFields(input))).toEqual([
    { label: 'a', type: 'int', cardinality: 3, parsers: ['logfmt'], values: ['1', '2'] },
  ]);
});

test('a task that is cancelled reads no further line', () => {
  let checks = 0;
  const cancel = () => {
    if (++checks > 3) throw new Error('gone');
  };
  const lines = Array.from({ length: 100 }, () => 'a=1');
  expect(() => fieldsTask.run(inputOf(lines), {} as WorkerEnv, cancel)).toThrow('gone');
  expect(checks).toBe(4);
});
