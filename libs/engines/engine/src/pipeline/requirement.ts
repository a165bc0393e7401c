/** Conditions by which search filters and indexes rule out blocks: step *fetch, scan* of a query. */
import { compileMatcher, stageTraits } from '@loki/logql';
import type { LabelFilter, LineFilterOperand, LineFilterStageSpec, Matcher, Stage } from '@loki/logql';
import { compileRegex } from '@loki/regex';
import type { Regex } from '@loki/regex';
import { needleOf, plainPartsOf } from '@loki/segment';
import type { BlockInfo, FilterProbe, Needle, Section } from '@loki/segment';
import { errorDetailsLabel, errorLabel, extractedSuffix } from '../common/error-labels.ts';
import { LinePattern } from './line-pattern.ts';

/**
 * A condition that a block must meet if one of its rows passes a pipeline, in terms of search filters. It is
 * not sufficient: a block that meets it may have no such row.
 */
export type Requirement =
  | { readonly kind: 'line'; readonly needle: Needle }
  | { readonly kind: 'all' | 'any'; readonly items: readonly Requirement[] }
  | LabelRequirement;

/** Requires a row with the label, from its stream, metadata or line. */
export interface LabelRequirement {
  readonly kind: 'label';
  readonly name: string;
  /** The possible values; undefined: any value. */
  readonly values: readonly string[] | undefined;
  /** The contribution of the line: none, unknown, or a requirement on its content. */
  readonly inLine: 'never' | 'maybe' | Requirement;
}

/** The facts of a block against which requirements are tested. */
interface BlockFacts {
  readonly probe: FilterProbe;
  readonly section: Section;
  readonly info: BlockInfo;
}

/** Whether a row of the block may pass. A false answer is certain. */
export function mayMeet(requirement: Requirement, facts: BlockFacts): boolean {
  switch (requirement.kind) {
    case 'line':
      return facts.probe.mayContain(requirement.needle);
    case 'all':
      return requirement.items.every((item) => mayMeet(item, facts));
    case 'any':
      return requirement.items.some((item) => mayMeet(item, facts));
    case 'label':
      return mayHaveLabel(requirement, facts);
  }
}

function mayHaveLabel({ name, values, inLine }: LabelRequirement, facts: BlockFacts): boolean {
  const { probe, section, info } = facts;
  if (section.labelIndex.names.includes(name)) return true;
  if (info.metadataNames.includes(name)) {
    if (!values || values.some((value) => probe.mayHavePair(name, value))) return true;
  }
  if (typeof inLine === 'string') return inLine === 'maybe';
  return mayMeet(inLine, facts);
}

/** Most alternatives that are probed one by one; with more, nearly every block contains one. */
const alternativesMax = 64;
/** Longer expressions are not analysed for requirements. */
const patternCharsMax = 2048;

/**
 * The requirement of a pipeline; undefined: any block may have rows that pass. Negative filters add no
 * requirement, nor do stages after one that replaces the line.
 */
export function requirementOf(stages: readonly Stage[]): Requirement | undefined {
  const items: Requirement[] = [];
  const source = new LabelSource();
  /** Whether line filters still see the stored line; they do after `decolorize`, unlike parsers. */
  let isLineStored = true;
  for (const stage of stages) {
    if (stage.kind === 'lineFilter' && isLineStored) add(items, ofLineFilter(stage));
    if (stage.kind === 'labelFilter') add(items, ofLabelFilter(stage.filter, source));
    source.pass(stage);
    if (stageTraits[stage.kind].replacesLine) isLineStored = false;
  }
  return together('all', items);
}

function add(items: Requirement[], item: Requirement | undefined): void {
  if (item) items.push(item);
}

function together(kind: 'all' | 'any', items: readonly Requirement[]): Requirement | undefined {
  return items.length < 2 ? items[0] : { kind, items };
}

/** Requires one of the items; undefined when one of them has no requirement. */
function anyOf(items: readonly (Requirement | undefined)[]): Requirement | undefined {
  if (items.length > alternativesMax) return undefined;
  const sure = items.filter((item) => item !== undefined);
  return sure.length === items.length ? together('any', sure) : undefined;
}

/** Requires all of the items that have a requirement. */
function allOf(items: readonly (Requirement | undefined)[]): Requirement | undefined {
  return together(
    'all',
    items.filter((item) => item !== undefined),
  );
}

// ---- lines

function ofLineFilter({ op, operands }: LineFilterStageSpec): Requirement | undefined {
  if (op.startsWith('!')) return undefined;
  return anyOf(operands.map((operand) => ofOperand(op, operand)));
}

function ofOperand(op: string, { text, ip }: LineFilterOperand): Requirement | undefined {
  if (ip) return undefined;
  if (op === '|=') return asLine(needleOf(Buffer.from(text, 'utf8')));
  if (op === '|~') return ofRegex(regexOf(text, false), asIs);
  return allOf(new LinePattern(text).literals.map((literal) => asLine(needleOf(literal))));
}

function asLine(needle: Needle | undefined): Requirement | undefined {
  return needle && { kind: 'line', needle };
}

function regexOf(pattern: string, isMatcher: boolean): Regex | undefined {
  if (pattern.length > patternCharsMax) return undefined;
  return compileRegex(pattern, isMatcher ? { anchored: true, dotAll: true } : {});
}

/** Maps a text of a label's value to a requirement on the line. */
type InLine = (text: string, hasTwins: boolean) => Requirement | undefined;

/**
 * The line contains the text unchanged. U+FFFD may replace bytes that are no UTF-8, so it requires nothing.
 */
const asIs: InLine = (text, hasTwins) =>
  text.includes('\ufffd') ? undefined : asLine(needleOf(Buffer.from(text, 'utf8'), { hasTwins }));

const perhapsEscaped: InLine = (text, hasTwins) =>
  allOf(
    plainPartsOf(text).map((part) =>
      asLine(needleOf(Buffer.from(part, 'utf8'), { hasTwins, mayBeEscaped: true })),
    ),
  );

/** The requirement of a regular expression, by its literals. */
function ofRegex(regex: Regex | undefined, inLine: InLine): Requirement | undefined {
  return allOf(
    (regex?.literals.required ?? []).map((literals) =>
      anyOf(literals.map(({ text, hasTwins }) => inLine(text, hasTwins))),
    ),
  );
}

// ---- labels

/** The origins of labels at a place in the pipeline. */
class LabelSource {
  /** How the parsers so far take values from the line. */
  #inLine: 'never' | 'maybe' | InLine = 'never';
  #isLineStored = true;
  /** Labels that other stages have set. */
  readonly #written = new Set<string>();

  pass(stage: Stage): void {
    const { isParser, replacesLine } = stageTraits[stage.kind];
    if (isParser) {
      const takesAsIs = stage.kind === 'regexp' || stage.kind === 'pattern';
      if (!this.#isLineStored || this.#inLine === 'maybe') this.#inLine = 'maybe';
      else if (!takesAsIs || this.#inLine === perhapsEscaped) this.#inLine = perhapsEscaped;
      else this.#inLine = asIs;
    }
    if (stage.kind === 'labelFormat') for (const { label } of stage.formats) this.#written.add(label);
    if (replacesLine || stage.kind === 'decolorize') this.#isLineStored = false;
  }

  /** The requirement of a label; `ofValue` gives the requirement of its value on the line. */
  label(
    name: string,
    values: readonly string[] | undefined,
    ofValue: (inLine: InLine) => Requirement | undefined,
  ): Requirement | undefined {
    // A name with the suffix may belong to another name, and error labels are not stored.
    if (this.#written.has(name) || name.endsWith(extractedSuffix)) return undefined;
    if (name === errorLabel || name === errorDetailsLabel) return undefined;
    const inLine = this.#inLine;
    const part = typeof inLine === 'string' ? inLine : (ofValue(inLine) ?? 'maybe');
    return part === 'maybe' ? undefined : { kind: 'label', name, values, inLine: part };
  }
}

function ofLabelFilter(filter: LabelFilter, source: LabelSource): Requirement | undefined {
  switch (filter.kind) {
    case 'and':
      return allOf([ofLabelFilter(filter.left, source), ofLabelFilter(filter.right, source)]);
    case 'or':
      return anyOf([ofLabelFilter(filter.left, source), ofLabelFilter(filter.right, source)]);
    case 'string':
      return ofMatcher(filter.matcher, source);
    default:
      // A row whose value cannot be parsed passes, and a number has several texts (1e3 is 1000).
      return undefined;
  }
}

function ofMatcher(matcher: Matcher, source: LabelSource): Requirement | undefined {
  const { name, op, value } = matcher;
  if (op !== '=' && op !== '=~') return undefined;
  const { listed } = compileMatcher(matcher);
  if (!listed) {
    const regex = regexOf(value, true);
    const isSelective = (regex?.literals.required.length ?? 0) > 0;
    return isSelective ? source.label(name, undefined, (inLine) => ofRegex(regex, inLine)) : undefined;
  }
  const values = [...listed.values];
  // A missing label is empty.
  if (values.length > alternativesMax || values.includes('')) return undefined;
  return source.label(name, values, (inLine) => anyOf(values.map((each) => inLine(each, false))));
}
