/** Laws that hold for every right answer, for example sums of parts. */
import { isMetric, parseExpr } from '@loki/logql';
import type { Prng } from '@loki/virtual';
import type { Asker } from './ask.ts';
import { difference, parseAnswer } from './compare.ts';
import type { Answer, AnswerData, AnswerSeries, AnswerStream } from './compare.ts';
import type { Question } from './gen-request.ts';

/** A law of the language that a question's answers break. */
interface LawBroken {
  readonly law: string;
  readonly difference: string;
  readonly answers: readonly [Answer, Answer];
  readonly query: string;
}

type Law = (question: Question, answer: Answer, asker: Asker, random: Prng) => Promise<LawBroken | undefined>;

/** As many rows as an answer may have: the laws below need all of them. */
const limitMax = 5000;

/** Tests a law that is independent of the right answer; undefined: it held, or could not be tested. */
export async function checkLaws(
  question: Question,
  answer: Answer,
  asker: Asker,
  random: Prng,
): Promise<LawBroken | undefined> {
  if (answer.isError || question.intervalNs > 0n) return undefined;
  if (parseExpr(question.query).kind === 'literal') return undefined;
  const laws = question.kind === 'log' ? logLaws : metricLaws;
  return random.pick(laws)(question, answer, asker, random);
}

const reversed: Law = async (question, _, asker) => {
  const [forward, backward] = await Promise.all(
    (['forward', 'backward'] as const).map((direction) =>
      asker.ask({ ...question, direction, limit: limitMax }),
    ),
  );
  const law = 'forward reversed is backward';
  const [left, right] = [forward, backward].map((each) => streamsOf(each));
  if (!left || !right) return undefined;
  for (const stream of right) stream.values.reverse();
  return compared(law, question.query, [left, right], [forward, backward]);
};

const partsAddUp: Law = async (question, _, asker, random) => {
  const { startNs, endNs } = question;
  const middleNs = startNs + BigInt(Math.floor(Number(endNs - startNs) * random.float()));
  if (middleNs <= startNs || middleNs >= endNs) return undefined;
  const all: Question = { ...question, direction: 'forward', limit: limitMax };
  const [whole, first, second] = [
    await asker.ask(all),
    await asker.ask({ ...all, endNs: middleNs }),
    await asker.ask({ ...all, startNs: middleNs }),
  ];
  const [left, a, b] = [whole, first, second].map((each) => streamsOf(each));
  if (!left || !a || !b) return undefined;
  const joined = new Map(a.map((stream) => [JSON.stringify(stream.stream), stream]));
  for (const stream of b) {
    const sameStream = joined.get(JSON.stringify(stream.stream));
    if (sameStream) sameStream.values.push(...stream.values);
    else joined.set(JSON.stringify(stream.stream), stream);
  }
  return compared('two ranges add up to one', question.query, [left, [...joined.values()]], [whole, second]);
};

const counted: Law = async (question, _, asker) => {
  const seconds = (question.endNs - question.startNs) / 1_000_000_000n;
  if (seconds < 1n) return undefined;
  const timeNs = question.endNs;
  const startNs = timeNs - seconds * 1_000_000_000n + 1n;
  const lines = await asker.ask({ ...question, startNs, endNs: timeNs + 1n, limit: limitMax });
  const query = `sum(count_over_time(${question.query}[${seconds}s]))`;
  const count = await asker.ask({ ...question, kind: 'instant', query, endNs: timeNs });
  const streams = streamsOf(lines);
  if (!streams || count.isError || lines.text.includes('"__error__"')) return undefined;
  const rows = streams.reduce((sum, { values }) => sum + values.length, 0);
  const samples = parseAnswer(count).result as AnswerSeries[];
  const countedRows = samples.length === 0 ? 0 : Number(samples[0].value![1]);
  if (countedRows === rows) return undefined;
  return {
    law: 'count_over_time counts lines',
    difference: `${countedRows} and ${rows}`,
    answers: [count, lines],
    query,
  };
};

const withItself: Law = async (question, answer, asker, random) => {
  if (isOrdered(question.query) || /label_replace/.test(question.query)) return undefined;
  const op = random.pick(['or', 'and']);
  const query = `(${question.query}) ${op} (${question.query})`;
  return sameAs(`a ${op} a is a`, { question, answer, query }, asker);
};

const sumOfSums: Law = async (question, _, asker, random) => {
  if (/vector\(|^[\d.\s]+$/.test(question.query)) return undefined;
  // A sum that needs no label counts the bytes of stored lines, and one by a label those of unpacked lines.
  if (/bytes_(over_time|rate)\b.*\bunpack\b/s.test(question.query)) return undefined;
  const query = `sum(${question.query})`;
  const parts = `sum(sum by (${random.pick(['app', 'env', 'format', 'level'])}) (${question.query}))`;
  return sameAs(
    'a sum is the sum of sums',
    { question: { ...question, query }, answer: await asker.ask({ ...question, query }), query: parts },
    asker,
  );
};

const stepIsInstant: Law = async (question, answer, asker, random) => {
  const isWholeMs = (ns: bigint) => ns % 1_000_000n === 0n;
  if (question.kind !== 'range' || !isWholeMs(question.startNs) || !isWholeMs(question.stepNs)) {
    return undefined;
  }
  if (isOrdered(question.query)) return undefined;
  const series = parseAnswer(answer).result as AnswerSeries[];
  const times = [...new Set(series.flatMap(({ values }) => values!.map(([time]) => time)))];
  if (times.length === 0) return undefined;
  const time = random.pick(times);
  const at = await asker.ask({
    ...question,
    kind: 'instant',
    endNs: BigInt(Math.round(time * 1e3)) * 1_000_000n,
  });
  if (at.isError) {
    return {
      law: 'a step is an instant',
      difference: 'one is an error',
      answers: [answer, at],
      query: question.query,
    };
  }
  const data = parseAnswer(at);
  if (data.resultType !== 'vector') return undefined;
  const expected = series.flatMap(({ metric, values }) =>
    values!.filter((value) => value[0] === time).map((value) => ({ metric, value })),
  );
  const text = (result: unknown) =>
    `{"status":"success","data":${JSON.stringify({ resultType: 'vector', result }).slice(0, -1)}`;
  const [left, right] = [text(expected), text(data.result)].map((each): Answer => ({
    isError: false,
    text: each,
  }));
  const deviation = difference(left, right, false);
  return deviation === undefined
    ? undefined
    : { law: 'a step is an instant', difference: deviation, answers: [left, right], query: question.query };
};

const logLaws: readonly Law[] = [reversed, partsAddUp, counted];
const metricLaws: readonly Law[] = [withItself, sumOfSums, stepIsInstant];

async function sameAs(
  law: string,
  {
    question,
    answer,
    query,
  }: { readonly question: Question; readonly answer: Answer; readonly query: string },
  asker: Asker,
): Promise<LawBroken | undefined> {
  const other = await asker.ask({ ...question, query });
  if (answer.isError || parseAnswer(answer).resultType === 'scalar') return undefined;
  const deviation = difference(answer, other, false);
  return deviation === undefined
    ? undefined
    : { law, difference: deviation, answers: [answer, other], query };
}

/** A result in an order of its own, which an operation around it would lose. */
function isOrdered(query: string): boolean {
  const expr = parseExpr(query);
  return isMetric(expr) && expr.kind === 'vectorAgg' && expr.op.startsWith('sort');
}

/** undefined: an error, or rows may be missing. */
function streamsOf(answer: Answer): AnswerStream[] | undefined {
  if (answer.isError) return undefined;
  const data: AnswerData = parseAnswer(answer);
  if (data.resultType !== 'streams') return undefined;
  const streams = data.result as AnswerStream[];
  const rows = streams.reduce((sum, { values }) => sum + values.length, 0);
  return rows >= limitMax ? undefined : streams;
}

/**
 * Rows of one stream and moment may come from several stored streams, whose order does not turn with the
 * direction.
 */
function compared(
  law: string,
  query: string,
  sides: readonly [AnswerStream[], AnswerStream[]],
  answers: [Answer, Answer],
): LawBroken | undefined {
  const texts = sides.map((streams) =>
    streams
      .map(({ stream, values }) => {
        const rows = values
          .map((value) => JSON.stringify(value))
          .map((text, i) => ({ text, time: BigInt(values[i][0]) }));
        rows.sort((a, b) => (a.time !== b.time ? (a.time < b.time ? -1 : 1) : a.text < b.text ? -1 : 1));
        const isInOrder = values.every((value, i) => i === 0 || BigInt(values[i - 1][0]) <= BigInt(value[0]));
        return `${JSON.stringify(stream)} ${isInOrder} ${rows.map(({ text }) => text).join('\n')}`;
      })
      .sort()
      .join('\n'),
  );
  return texts[0] === texts[1] ? undefined : { law, difference: 'other rows', answers, query };
}
