/** Protects: a repeated record is recognised by its writer's sequence number. */
import { Writers } from './writers.ts';

describe('writers', () => {
  test('a sequence number is taken once', () => {
    const writers = new Writers(10);
    expect(writers.isRepeat('a', 1)).toBe(false);
    writers.saw(0, 'a', 1);
    expect(writers.isRepeat('a', 1)).toBe(true);
    expect(writers.isRepeat('a', 2)).toBe(false);
    expect(writers.isRepeat('b', 1)).toBe(false);
  });

  /**
   * Protects: a table that ran ahead of its manifest would drop the only copy of a record after a restart.
   */
  test('the table for an offset knows nothing of the records at and above it', () => {
    const writers = new Writers(10, [['a', 5]]);
    writers.saw(100, 'a', 6);
    writers.saw(101, 'b', 1);
    writers.saw(102, 'a', 7);
    expect(writers.tableAt(100)).toEqual([['a', 5]]);
    expect(writers.tableAt(102)).toEqual([
      ['a', 6],
      ['b', 1],
    ]);
    writers.committed(102, writers.tableAt(102));
    expect(writers.isRepeat('a', 7)).toBe(true);
    expect(writers.tableAt(103)).toEqual([
      ['b', 1],
      ['a', 7],
    ]);
  });

  test("another leader's table counts from its offset on", () => {
    const writers = new Writers(10);
    writers.saw(0, 'a', 1);
    writers.saw(1, 'b', 1);
    writers.committed(5, [
      ['a', 1],
      ['b', 3],
    ]);
    expect(writers.isRepeat('b', 3)).toBe(true);
    expect(writers.isRepeat('b', 4)).toBe(false);
  });

  test('the writer that was silent longest is forgotten first', () => {
    const writers = new Writers(2);
    writers.saw(0, 'a', 1);
    writers.saw(1, 'b', 1);
    writers.saw(2, 'a', 2);
    writers.saw(3, 'c', 1);
    expect(writers.tableAt(4).map(([id]) => id)).toEqual(['a', 'c']);
  });
});
