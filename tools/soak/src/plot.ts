/** Draws measures over time as one SVG: a panel for each, with its range and its verdict. */
import type { Series } from './slope.ts';

interface Panel {
  readonly series: Series;
  /** Below the name: the verdict, in words. */
  readonly note: string;
  /** From here on the measure is judged. */
  readonly fromSeconds: number;
}

const width = 900;
const panelHeight = 130;
const left = 90;
const right = 15;
const top = 34;
const bottom = 22;

export function plot(title: string, panels: readonly Panel[]): string {
  const height = 40 + panels.length * panelHeight;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="${left}" y="24" font-size="15">${escaped(title)}</text>
${panels.map((panel, i) => panelSvg(panel, 40 + i * panelHeight)).join('\n')}
</svg>
`;
}

function panelSvg({ series, note, fromSeconds }: Panel, y: number): string {
  const { seconds, values, name, unit } = series;
  const last = seconds.at(-1) ?? 1;
  const most = Math.max(...values, 1e-9);
  const plotHeight = panelHeight - top - bottom;
  const x = (at: number): number => left + (at / last) * (width - left - right);
  const base = y + top + plotHeight;
  const points = seconds.map(
    (at, i) => `${x(at).toFixed(1)},${(base - (values[i] / most) * plotHeight).toFixed(1)}`,
  );
  const minutes = Array.from({ length: Math.floor(last / 300) + 1 }, (_, i) => i * 5);
  const ticks = minutes.map(
    (minute) =>
      `<text x="${x(minute * 60).toFixed(1)}" y="${base + 13}" text-anchor="middle">${minute}</text>`,
  );
  return `<text x="${left}" y="${y + 14}" font-weight="bold">${escaped(name)}</text>
<text x="${left}" y="${y + 28}" fill="#555">${escaped(note)}</text>
<rect x="${left}" y="${y + top}" width="${width - left - right}" height="${plotHeight}" fill="#f6f6f6"/>
<line x1="${x(fromSeconds).toFixed(1)}" x2="${x(fromSeconds).toFixed(1)}" y1="${y + top}" y2="${base}" stroke="#bbb" stroke-dasharray="3"/>
<text x="${left - 6}" y="${y + top + 9}" text-anchor="end">${short(most)} ${escaped(unit)}</text>
<text x="${left - 6}" y="${base}" text-anchor="end">0</text>
${ticks.join('')}
<polyline fill="none" stroke="#1f6fb2" points="${points.join(' ')}"/>`;
}

function short(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
