/**
 * Protects the picture for its reader: the highest value touches the top, time runs from left to right, texts
 * are texts.
 */
import { plot } from './plot.ts';

test('each measure has a panel, drawn to its own scale', () => {
  const series = { name: 'heap <b>', unit: 'MiB', seconds: [0, 300, 600], values: [50, 100, 0] };
  const text = plot('30 minutes & more', [
    { series, note: 'flat', fromSeconds: 300 },
    { series, note: 'not flat', fromSeconds: 300 },
  ]);
  const [first, second] = [...text.matchAll(/points="([^"]*)"/g)].map(([, points]) =>
    points.split(' ').map((point) => point.split(',').map(Number)),
  );
  expect(first.map(([x]) => x)).toEqual([90, 487.5, 885]);
  const [half, most, none] = first.map(([, y]) => y);
  expect(half - most).toBeCloseTo(none - half, 0);
  expect(second[0][1] - first[0][1]).toBe(130);
  expect(text).toContain('heap &lt;b>');
  expect(text).toContain('30 minutes &amp; more');
});
