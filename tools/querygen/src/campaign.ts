/** Runs a campaign of random questions and compares all answers. */
import { loadHash } from '@loki/model';
import { Prng } from '@loki/virtual';
import { Cluster, askerNamed, refereeName } from './askers.ts';
import { difference } from './compare.ts';
import type { Answer } from './compare.ts';
import { Coverage } from './coverage.ts';
import { drawData } from './data.ts';
import type { DataSet } from './data.ts';
import { drawQuestion } from './gen-request.ts';
import type { Question } from './gen-request.ts';
import { checkLaws } from './identities.ts';
import { Referee } from './referee.ts';
import { shrink } from './shrink.ts';

interface CampaignOptions {
  readonly seed: number;
  readonly count: number;
  /** Questions about one data set. */
  readonly perData: number;
  /** Ways of each question besides the plain one: each route once, each from a random layout. */
  readonly ways: number;
  /** Share of the questions that the oracle answers too, and share that laws are tested on. */
  readonly oracleOdds: number;
  readonly lawOdds: number;
  /** Share of the questions whose answer the referee judges. */
  readonly refereeOdds: number;
  /** Whether findings are reduced, which takes a while. */
  readonly isShrinking: boolean;
  /** Findings that end a campaign: the first ones are enough. */
  readonly findingsMax: number;
  /** A planted mistake: all ways but the plain one lack the first push. */
  readonly isPlanted?: boolean;
  readonly onQuestion?: (question: Question, answer: Answer) => void;
  readonly onFinding?: (finding: Finding) => void;
  readonly onProgress?: (queryCount: number) => void;
}

/** A question with two different answers. */
export interface Finding {
  /** Seed of the data set: a campaign that begins with it repeats the question. */
  readonly seed: number;
  readonly data: DataSet;
  readonly question: Question;
  readonly difference: string;
  readonly names: readonly [string, string];
  readonly answers: readonly [Answer, Answer];
}

interface CampaignResult {
  queries: number;
  /** Answers compared with the plain one or with the oracle's, and laws tested on answers. */
  compared: number;
  oracled: number;
  laws: number;
  /** Answers that the referee confirmed, and those that it could not judge. */
  refereed: number;
  unsure: number;
  errors: number;
  /** Answers without a row or sample. */
  empty: number;
  readonly coverage: Coverage;
  readonly findings: Finding[];
}

/** Asks many questions about many data sets, each in several ways. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  await loadHash();
  const result: CampaignResult = {
    queries: 0,
    compared: 0,
    oracled: 0,
    laws: 0,
    refereed: 0,
    unsure: 0,
    errors: 0,
    empty: 0,
    coverage: new Coverage(),
    findings: [],
  };
  for (
    let seed = options.seed;
    result.queries < options.count && result.findings.length < options.findingsMax;
    seed++
  ) {
    await askAbout(seed, options, result);
  }
  return result;
}

/**
 * The questions about one data set. Each has randomness of its own, so that comparisons do not change later
 * questions.
 */
async function askAbout(seed: number, options: CampaignOptions, result: CampaignResult): Promise<void> {
  const random = new Prng(`queries ${seed}`);
  const data = drawData(random.fork('data'));
  const cluster = await Cluster.build(data, `${seed}`, options.isPlanted);
  for (const { layout, standing } of cluster.worlds) result.coverage.addStanding(layout, standing);
  for (let i = 0; i < options.perData && result.queries < options.count; i++) {
    if (result.findings.length >= options.findingsMax) break;
    const own = random.fork(`question ${i}`);
    const question = drawQuestion(own, data, cluster.referee.rows);
    const plain = await cluster.plain.ask(question);
    options.onQuestion?.(question, plain);
    result.queries++;
    if (plain.isError) result.errors++;
    if (plain.text.endsWith('"result":[]')) result.empty++;
    if (/^(threw|internal|corrupt)/.test(plain.text)) {
      const names = [cluster.plain.name, cluster.plain.name] as const;
      note(
        { seed, data, question, difference: 'no answer', names, answers: [plain, plain] },
        options,
        result,
      );
      continue;
    }
    const comparison: Comparison = { seed, data, question, plain, cluster };
    await compareWays(comparison, own, options, result);
    await holdRules(comparison, own, options, result);
    if (result.queries % 500 === 0) options.onProgress?.(result.queries);
  }
  cluster.stop();
}

/** A question with its plain answer. */
interface Comparison {
  readonly seed: number;
  readonly data: DataSet;
  readonly question: Question;
  readonly plain: Answer;
  readonly cluster: Cluster;
}

/** Compares other ways with the plain answer, until one differs. */
async function compareWays(comparison: Comparison, own: Prng, options: CampaignOptions, result: CampaignResult): Promise<void> {
  const { cluster, plain, question, data } = comparison;
  const ways = cluster.drawAskers(own, options.ways);
  if (own.chance(options.oracleOdds)) {
    ways.push(cluster.oracle);
    result.oracled++;
  }
  for (const asker of ways) {
    const { answers: turns, happened } = await asker.askInTurn(question);
    if (asker !== cluster.oracle) {
      result.compared += turns.length;
      result.coverage.add(asker.world.name, asker.route, happened);
    }
    const wrong = wrongOf(plain, turns, isExact(question, data));
    if (wrong) return add(comparison, { name: asker.name, ...wrong }, options, result);
  }
} // prettier-ignore

/** Judges the answer by the referee and by a law that it must keep. */
async function holdRules(comparison: Comparison, own: Prng, options: CampaignOptions, result: CampaignResult): Promise<void> {
  const { cluster, plain, question } = comparison;
  if (own.fork('referee').chance(options.refereeOdds)) {
    const verdict = cluster.referee.judge(question, plain);
    if (verdict === 'unsure') result.unsure++;
    else result.refereed++;
    if (typeof verdict === 'object') await add(comparison, { name: refereeName, ...verdict }, options, result);
  }
  if (!own.chance(options.lawOdds)) return;
  result.laws++;
  const broken = await checkLaws(question, plain, cluster.plain, own);
  if (!broken) return;
  const { law, query, answers } = broken;
  const finding: Finding = {
    seed: comparison.seed,
    data: comparison.data,
    question: { ...question, query },
    difference: `${law}: ${broken.difference}`,
    names: ['one side', 'the other'],
    answers,
  };
  note(finding, options, result);
} // prettier-ignore

/** Reports a finding, as small as possible. */
async function add(
  { seed, data, question, plain, cluster }: Comparison,
  {
    name,
    difference: text,
    answer,
  }: { readonly name: string; readonly difference: string; readonly answer: Answer },
  options: CampaignOptions,
  result: CampaignResult,
): Promise<void> {
  const names = [cluster.plain.name, name] as const;
  const finding: Finding = { seed, data, question, difference: text, names, answers: [plain, answer] };
  note(options.isShrinking ? await smallest(finding, options.isPlanted) : finding, options, result);
}

/** Reported at once: a campaign takes long, and may be interrupted. */
function note(finding: Finding, { onFinding }: CampaignOptions, { findings }: CampaignResult): void {
  findings.push(finding);
  onFinding?.(finding);
}

/** Reduces the finding to as little data and query as still show it. */
async function smallest(finding: Finding, isPlanted = false): Promise<Finding> {
  let smaller = finding;
  await shrink(finding.data, finding.question, async (data, question) => {
    const [one, other] = finding.names;
    const plainer = await askerNamed(one, data, finding.seed, isPlanted);
    const plain = await plainer.ask(question);
    plainer.stop();
    let wrong: { readonly difference: string; readonly answer: Answer } | undefined;
    if (other === refereeName) {
      const verdict = new Referee(data).judge(question, plain);
      if (typeof verdict === 'object') wrong = verdict;
    } else {
      const asker = await askerNamed(other, data, finding.seed, isPlanted);
      wrong = wrongOf(plain, (await asker.askInTurn(question)).answers, isExact(question, data));
      asker.stop();
    }
    if (!wrong) return false;
    smaller = { ...finding, data, question, difference: wrong.difference, answers: [plain, wrong.answer] };
    return true;
  });
  return smaller;
}

/** The first answer that differs from the plain one. */
function wrongOf(
  plain: Answer,
  others: readonly Answer[],
  isExact: boolean,
): { difference: string; answer: Answer } | undefined {
  for (const answer of others) {
    const text = difference(plain, answer, isExact);
    if (text !== undefined) return { difference: text, answer };
  }
  return undefined;
}

/** Whether every way must give the same bytes: merged moments and sums of decimals are added in any order. */
function isExact(question: Question, data: DataSet): boolean {
  return question.kind === 'log' || (data.numbers === 'dyadic' && !/stddev|stdvar/.test(question.query));
}
