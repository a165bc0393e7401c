/** A client's answer without its statistics, or the error. */
export interface Answer {
  readonly isError: boolean;
  readonly text: string;
  /** Stretches of time that the question was cut into. */
  readonly splits?: number;
}

/**
 * Sums, means and deviations are added in the order in which parts are merged, which varies. Answers may
 * differ by this share of the largest value in them; 2^-53 for each addition, and a few hundred of these.
 */
const relativeMax = 1e-12;

/** undefined: equal. Else the difference in a line. */
export function difference(a: Answer, b: Answer, isExact: boolean): string | undefined {
  if (a.isError !== b.isError) return 'one is an error';
  if (a.text === b.text) return undefined;
  if (a.isError) return 'other errors';
  const [left, right] = [parseAnswer(a), parseAnswer(b)];
  if (left.resultType !== right.resultType) return 'other kinds of result';
  if (left.resultType === 'streams') return 'other lines';
  if (isExact) return 'other samples';
  if (left.resultType === 'scalar') return 'other numbers';
  const [x, y] = [left.result as AnswerSeries[], right.result as AnswerSeries[]];
  if (x.length !== y.length) return `${x.length} and ${y.length} series`;
  const scale = Math.max(...x.flatMap(samplesOf).map(([, value]) => finite(Math.abs(Number(value)))), 0);
  for (let i = 0; i < x.length; i++) {
    if (JSON.stringify(x[i].metric) !== JSON.stringify(y[i].metric)) return 'other series';
    const [samples, others] = [samplesOf(x[i]), samplesOf(y[i])];
    if (samples.length !== others.length) return 'other steps';
    for (let k = 0; k < samples.length; k++) {
      if (samples[k][0] !== others[k][0]) return 'other steps';
      if (!isNear(samples[k][1], others[k][1], scale)) return 'other values';
    }
  }
  return undefined;
}

export interface AnswerSeries {
  readonly metric: unknown;
  readonly values?: readonly (readonly [number, string])[];
  readonly value?: readonly [number, string];
}

function samplesOf({ values, value }: AnswerSeries): readonly (readonly [number, string])[] {
  return values ?? (value ? [value] : []);
}

function isNear(a: string, b: string, scale: number): boolean {
  if (a === b) return true;
  return Math.abs(Number(a) - Number(b)) <= relativeMax * Math.max(scale, 1);
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

export interface AnswerStream {
  readonly stream: unknown;
  readonly values: (readonly [string, string, ...unknown[]])[];
}

export interface AnswerData {
  readonly resultType: string;
  readonly result: unknown;
}

/** An answer without its statistics lacks two braces. */
export function parseAnswer({ text }: Answer): AnswerData {
  return (JSON.parse(`${text}}}`) as { data: AnswerData }).data;
}
