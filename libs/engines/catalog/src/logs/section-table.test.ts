/** Protects: sections come back from a table as they were put in, each found by its tenant. */
import fc from 'fast-check';
import { SectionTable, TenantNames } from './section-table.ts';

const arbitrarySections = fc.uniqueArray(
  fc
    .record({
      tenant: fc.string({ minLength: 1 }),
      minNs: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
      span: fc.bigInt({ min: 0n, max: 2n ** 62n }),
      rowCount: fc.maxSafeNat(),
      lineBytes: fc.oneof(fc.maxSafeNat(), fc.nat()),
    })
    .map(({ span, ...rest }) => ({ ...rest, maxNs: rest.minNs + span })),
  { selector: ({ tenant }) => tenant },
);

test('sections are what they were, in the order of their tenants', () => {
  fc.assert(
    fc.property(arbitrarySections, (sections) => {
      const names = new TenantNames();
      names.idOf('another');
      const table = new SectionTable(sections, names);
      const sorted = sections.toSorted((a, b) => (a.tenant < b.tenant ? -1 : 1));
      expect([...table]).toEqual(sorted);
      for (const section of sections) expect(table.find(section.tenant)).toEqual(section);
      expect(table.find(`${sections[0]?.tenant}!`)).toBeUndefined();
    }),
  );
});

test('a dropped section is told once and left out, and still found', () => {
  const sections = ['a', 'b', 'c'].map((tenant) => {
    return { tenant, minNs: 1n, maxNs: 2n, rowCount: 3, lineBytes: 2 ** 40 };
  });
  const table = new SectionTable(sections, new TenantNames());
  const isB = ({ tenant }: { tenant: string }) => tenant === 'b';
  expect(table.drop(isB)).toEqual([sections[1]]);
  expect(table.drop(isB)).toEqual([]);
  expect([...table]).toEqual([sections[0], sections[2]]);
  expect(table.length).toBe(2);
  expect(table.find('b')).toEqual(sections[1]);
});
