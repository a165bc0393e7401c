import { lengthen } from './lengthen.ts';

test.each([Uint32Array, Int32Array, Float64Array])('%p keeps its type and values', (Type) => {
  const column = new Type([1, 2, 3]);
  const longer = lengthen(column, 5);
  expect(longer).toEqual(new Type([1, 2, 3, 0, 0]));
  expect(column).toHaveLength(0);
});
