/** Figures of benchmarks: kept in the tree, and compared with those of today. */

/** `cpu`: CPU s per GB of lines; `bytes`: stored bytes per raw byte; `latency`: milliseconds. */
export type FigureKind = 'cpu' | 'bytes' | 'latency';

export interface Figure {
  readonly name: string;
  readonly kind: FigureKind;
  readonly value: number;
}

/** Figures of one run, with the machine and commit on which they depend. */
export interface FigureSet {
  readonly date: string;
  readonly machine: string;
  readonly rows: number;
  /** Seconds that a fixed computation takes: machines differ by a factor of two, and so do their hours. */
  readonly yardstick: number;
  readonly figures: readonly Figure[];
}

/** A figure beside the committed one. */
export interface ComparedFigure extends Figure {
  /** Undefined: the committed set does not have it. */
  readonly before: number | undefined;
  /** Today's figure in units of the committed one; CPU and latency are scaled by the yardsticks. */
  readonly ratio: number | undefined;
}

export const unitOf: Readonly<Record<FigureKind, string>> = {
  cpu: 'CPU s/GB',
  bytes: 'bytes per raw byte',
  latency: 'ms',
};

export function compareFigures(today: FigureSet, committed: FigureSet | undefined): ComparedFigure[] {
  const before = new Map(committed?.figures.map(({ name, kind, value }) => [`${kind} ${name}`, value]));
  const pace = committed ? today.yardstick / committed.yardstick : 1;
  return today.figures.map((figure) => {
    const value = before.get(`${figure.kind} ${figure.name}`);
    const scale = figure.kind === 'bytes' ? 1 : pace;
    return {
      ...figure,
      before: value,
      ratio: value === undefined || value === 0 ? undefined : figure.value / (value * scale),
    };
  });
}

/** A table for the terminal. */
export function figureTable(figures: readonly ComparedFigure[]): string {
  const lines = ['| figure | unit | committed | today | ratio |', '|---|---|---|---|---|'];
  for (const { name, kind, before, value, ratio } of figures) {
    const cells = [name, unitOf[kind], numberText(before), numberText(value), ratio?.toFixed(2) ?? '-'];
    lines.push(`| ${cells.join(' | ')} |`);
  }
  return lines.join('\n');
}

export function numberText(value: number | undefined): string {
  if (value === undefined) return '-';
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
