import { compareText, Labels, sortTexts } from './labels.ts';

describe('labels', () => {
  test('equal sets have one text and one hash, whatever order they came in', () => {
    const a = Labels.fromPairs([
      ['b', '2'],
      ['a', '1'],
    ]);
    const b = Labels.fromPairs([
      ['a', '1'],
      ['b', '2'],
      ['c', ''],
    ]);
    expect(a.toString()).toBe('{a="1", b="2"}');
    expect(a.equals(b)).toBe(true);
    expect(a.hash()).toBe(b.hash());
  });

  test('a label named __proto__ is a label', () => {
    const labels = Labels.fromPairs([['__proto__', 'x']]);
    expect(JSON.stringify(labels.toObject())).toBe('{"__proto__":"x"}');
  });

  test('text sorts as its UTF-8 bytes do', () => {
    const words = ['\u{10000}', '\uffff', 'a', 'ab', '', '\ue000', 'é'];
    const byBytes = [...words].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
    expect([...words].sort(compareText)).toEqual(byBytes);
    expect(sortTexts([...words])).toEqual(byBytes);
    expect(sortTexts(['b', 'é', 'a', 'ab'])).toEqual(['a', 'ab', 'b', 'é']);
  });
});
