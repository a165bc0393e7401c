/** Writes figures of benchmarks as one page of HTML with plots, which needs nothing else. */
import { numberText, unitOf } from './figures.ts';
import type { ComparedFigure, FigureKind, FigureSet } from './figures.ts';

const titles: Readonly<Record<FigureKind, string>> = {
  latency: 'Latency of queries, one thread, warm',
  cpu: 'CPU',
  bytes: 'Stored bytes',
};

const rowHeight = 34;
const nameWidth = 300;
const plotWidth = 520;
const valueWidth = 170;
const barHeight = 11;

/** The page. Bars of a plot have a logarithmic scale where their figures differ by more than fifty times. */
export function reportPage(
  figures: readonly ComparedFigure[],
  today: FigureSet,
  committed: FigureSet | undefined,
): string {
  const kinds = (['latency', 'cpu', 'bytes'] as const).filter((kind) =>
    figures.some((figure) => figure.kind === kind),
  );
  const about = (set: FigureSet) =>
    `${escaped(set.date)}, ${escaped(set.machine)}, yardstick ${set.yardstick.toFixed(2)} s`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Benchmarks</title>
<style>
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: ${nameWidth + plotWidth + valueWidth}px; color: #222; background: #fff }
h2 { margin: 1.6em 0 .3em }
svg { display: block; max-width: 100% }
.today { fill: #2563eb } .before { fill: #b8c4d6 } text { font-size: 12px; fill: #222 } .faint { fill: #666 }
.worse { fill: #b91c1c } .better { fill: #15803d }
</style>
<h1>Benchmarks</h1>
<p>${today.rows} generated rows. Today: ${about(today)}. ${committed ? `Committed: ${about(committed)}.` : 'There are no committed figures.'}
The ratio behind a bar is today's figure to the committed one, by the yardstick of each run.</p>
<p><svg width="300" height="16" role="img" aria-label="legend"><rect class="today" width="12" height="12" y="2"/><text x="18" y="12">today</text><rect class="before" x="90" width="12" height="12" y="2"/><text x="108" y="12">committed</text></svg></p>
${kinds
  .map((kind) =>
    plot(
      kind,
      figures.filter((figure) => figure.kind === kind),
    ),
  )
  .join('\n')}
</html>
`;
}

function plot(kind: FigureKind, figures: readonly ComparedFigure[]): string {
  const values = figures.flatMap(({ value, before }) => (before === undefined ? [value] : [value, before]));
  const { widthOf, isLogarithmic } = scale(values);
  const bars = figures.map(({ name, value, before, ratio }, row) => {
    const y = row * rowHeight;
    const bar = (style: string, width: number, top: number) =>
      `<rect class="${style}" x="${nameWidth}" y="${y + top}" width="${width.toFixed(1)}" height="${barHeight}"/>`;
    const widest = Math.max(widthOf(value), before === undefined ? 0 : widthOf(before));
    const judged = ratio === undefined ? '' : ` <tspan class="${tone(ratio)}">× ${ratio.toFixed(2)}</tspan>`;
    return [
      `<g><title>${escaped(name)}: ${numberText(value)} ${unitOf[kind]}, committed ${numberText(before)}</title>`,
      `<text x="${nameWidth - 8}" y="${y + 19}" text-anchor="end">${escaped(name)}</text>`,
      bar('today', widthOf(value), 3),
      before === undefined ? '' : bar('before', widthOf(before), 3 + barHeight + 1),
      `<text x="${(nameWidth + widest + 8).toFixed(1)}" y="${y + 19}">${numberText(value)}${judged}</text></g>`,
    ].join('');
  });
  const width = nameWidth + plotWidth + valueWidth;
  const height = figures.length * rowHeight;
  return (
    `<h2>${titles[kind]} <small class="faint">${unitOf[kind]}${isLogarithmic ? ', logarithmic scale' : ''}</small></h2>\n` +
    `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${titles[kind]}">` +
    `${bars.join('\n')}</svg>`
  );
}

/** Widths of bars in pixels. */
function scale(values: readonly number[]): {
  widthOf: (value: number) => number;
  isLogarithmic: boolean;
} {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return { widthOf: () => 0, isLogarithmic: false };
  const [least, most] = [Math.min(...positive), Math.max(...positive)];
  if (most / least <= 50) return { widthOf: (value) => (value / most) * plotWidth, isLogarithmic: false };
  // A tenth of the plot below the least, so that its bar can be seen.
  const span = Math.log(most / least) / 0.9;
  const widthOf = (value: number) =>
    value <= 0 ? 0 : Math.max(1, plotWidth * (0.1 + Math.log(value / least) / span));
  return { widthOf, isLogarithmic: true };
}

/** Figures within a tenth are the noise of a machine. */
function tone(ratio: number): string {
  if (ratio > 1.1) return 'worse';
  return ratio < 0.9 ? 'better' : 'faint';
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
