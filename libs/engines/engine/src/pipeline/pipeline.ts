/** The stages of a log query, compiled: each row of a scan goes through them. */
import { parseJsonPath, stageTraits } from '@loki/logql';
import type { LabelFilter, Stage } from '@loki/logql';
import { compileTemplate } from '@loki/template';
import { ByteText } from '../common/byte-text.ts';
import { compileBaseFilter } from './base-filter.ts';
import type { BaseFilter } from './base-filter.ts';
import { DecolorizeStage } from './decolorize-stage.ts';
import { DropStage, KeepStage } from './drop-keep-stage.ts';
import { LabelFormatStage, LineFormatStage } from './format-stage.ts';
import { JsonExtractStage } from './json-extract-stage.ts';
import { compileJsonPath } from './json-path.ts';
import { JsonStage } from './json-stage.ts';
import { compileLabelFilter, labelsOfFilter, looksAtErrors } from './label-filter.ts';
import { LineFilter } from './line-filter.ts';
import { LogfmtExtractStage, LogfmtStage } from './logfmt-stage.ts';
import { NeededLabels } from './needed-labels.ts';
import { PatternStage } from './pattern-stage.ts';
import { RegexpStage } from './regexp-stage.ts';
import type { Row } from './row.ts';
import { UnpackStage } from './unpack-stage.ts';

/** A step that sees one row at a time. */
export interface RowStage {
  /** False drops the row. */
  run(row: Row): boolean;
}

/**
 * A pipeline in the order in which it is cheapest: filters on metadata, then filters on raw lines over whole
 * blocks, then the rest row by row. The answer is that of the order in which it was written.
 */
export interface Pipeline {
  readonly baseFilters: readonly BaseFilter[];
  readonly lineFilters: readonly LineFilter[];
  readonly stages: readonly RowStage[];
  /** Something looks at lines. */
  readonly readsLines: boolean;
  /** A shorter way to find out that a row will be dropped; absent when there is none. */
  readonly probe?: Probe;
}

/**
 * The stages up to the last label filter, extracting only what the filters read: when all labels are wanted
 * of the few rows that pass, the many that do not need not be taken apart. A row the probe drops, the
 * pipeline drops.
 */
interface Probe {
  readonly stages: readonly RowStage[];
  readonly needed: NeededLabels;
}

/**
 * @param needed labels that somebody looks at after the parsers ran
 * @throws LokiError badRequest for what the parser of the language could not know to be wrong
 */
export function compilePipeline(stages: readonly Stage[], needed: NeededLabels): Pipeline {
  const baseFilters: BaseFilter[] = [];
  const lineFilters: LineFilter[] = [];
  const rest: RowStage[] = [];
  const texts = new ByteText();
  /** Stages that run row by row. */
  const late: Stage[] = [];
  // A filter on the line may go ahead of whatever leaves the line alone: the rows it drops are dropped either
  // way, and what a stage did to them is never seen. The same holds for filters on labels that no stage
  // before them can change. Colours are no exception: the reference's filters behind `decolorize` look at the
  // line that still has them (its issue 18898), and so do these.
  let isLineChanged = false;
  /** Place among the late stages behind the last one that changed the line. */
  let lineAt = 0;
  let areLabelsChanged = false;
  let readsLines = false;
  for (const stage of stages) {
    if (stage.kind === 'lineFilter' && !isLineChanged) {
      lineFilters.push(new LineFilter(stage));
      readsLines = true;
      continue;
    }
    if (stage.kind === 'labelFilter' && !areLabelsChanged) {
      const filter = compileBaseFilter(stage.filter);
      if (filter) {
        baseFilters.push(filter);
        continue;
      }
    }
    const traits = stageTraits[stage.kind];
    if (traits.changesLabels) areLabelsChanged = true;
    const compiled = compileStage(stage, needed, texts);
    if (!compiled) continue;
    const at = stage.kind === 'lineFilter' ? lineAt++ : late.length;
    late.splice(at, 0, stage);
    rest.splice(at, 0, compiled);
    if (traits.replacesLine) {
      isLineChanged = true;
      lineAt = late.length;
    }
    if (traits.needsLine) readsLines = true;
  }
  return { baseFilters, lineFilters, stages: rest, readsLines, probe: compileProbe(late, needed, texts) };
}

function compileProbe(late: readonly Stage[], needed: NeededLabels, texts: ByteText): Probe | undefined {
  if (!needed.isAll) return undefined;
  const end = late.findIndex((stage) => !stageTraits[stage.kind].mayProbe);
  const open = end < 0 ? late : late.slice(0, end);
  const probed = open.slice(0, open.findLastIndex((stage) => stage.kind === 'labelFilter') + 1);
  if (!probed.some((stage) => stageTraits[stage.kind].isParser)) return undefined;
  const names = new Set<string>();
  for (const stage of probed) {
    if (stage.kind === 'labelFilter') labelsOfFilter(stage.filter).forEach((name) => names.add(name));
    if (stage.kind !== 'drop' && stage.kind !== 'keep') continue;
    for (const target of stage.targets) if (typeof target !== 'string') names.add(target.name);
  }
  // Parsers stop at the last label that a filter names, unless a filter looks for the errors in the rest of
  // the line.
  const mayStop = !probed.some((stage) => stage.kind === 'labelFilter' && looksAtErrors(stage.filter));
  const few = new NeededLabels(names, mayStop);
  const stages = probed.flatMap((stage) => compileStage(stage, few, texts) ?? []);
  return { stages, needed: few };
}

function compileStage(stage: Stage, needed: NeededLabels, texts: ByteText): RowStage | undefined {
  switch (stage.kind) {
    case 'lineFilter':
      return new LineFilter(stage);
    case 'json':
      return needed.isNone ? undefined : jsonStage(stage.extractions, needed, texts);
    case 'logfmt':
      if (needed.isNone) return undefined;
      return stage.extractions.length === 0
        ? new LogfmtStage(stage, needed, texts)
        : new LogfmtExtractStage(stage, needed, texts);
    case 'regexp': {
      const regexp = new RegexpStage(stage.pattern, needed);
      return regexp.isIdle ? undefined : regexp;
    }
    case 'pattern': {
      const pattern = new PatternStage(stage.pattern, needed, texts);
      return pattern.names.some((name) => needed.wants(name)) ? pattern : undefined;
    }
    case 'unpack':
      return new UnpackStage(needed, texts);
    case 'decolorize':
      return new DecolorizeStage();
    case 'labelFilter':
      return new LabelFilterStage(stage.filter);
    case 'lineFormat':
      return new LineFormatStage(stage.template);
    case 'labelFormat':
      return new LabelFormatStage(stage.formats);
    case 'drop':
      return new DropStage(stage.targets);
    case 'keep':
      return new KeepStage(stage.targets);
    default:
      // A kind without a case would be dropped from queries without a word.
      return stage satisfies never;
  }
}

function jsonStage(
  extractions: readonly { label: string; expression: string }[],
  needed: NeededLabels,
  texts: ByteText,
): RowStage {
  if (extractions.length === 0) return new JsonStage(needed, texts);
  const paths = extractions.map(({ label, expression }) => ({
    label,
    path: compileJsonPath(parseJsonPath(expression)),
  }));
  return new JsonExtractStage(paths, needed, texts);
}

class LabelFilterStage implements RowStage {
  readonly run: (row: Row) => boolean;

  constructor(filter: LabelFilter) {
    this.run = compileLabelFilter(filter);
  }
}

/** Labels that the stages themselves look at; undefined when that may be any. */
export function labelsReadBy(stages: readonly Stage[]): Set<string> | undefined {
  const names = new Set<string>();
  const addTemplate = (text: string, name: 'line' | 'label') => {
    const template = compileTemplate(text, { name });
    template.labelNames.forEach((label) => names.add(label));
    return !template.usesAllLabels;
  };
  for (const stage of stages) {
    if (stage.kind === 'labelFilter') labelsOfFilter(stage.filter).forEach((name) => names.add(name));
    if (stage.kind === 'lineFormat' && !addTemplate(stage.template, 'line')) return undefined;
    if (stage.kind !== 'labelFormat') continue;
    for (const format of stage.formats) {
      if ('rename' in format) names.add(format.rename);
      else if (!addTemplate(format.template, 'label')) return undefined;
    }
  }
  return names;
}
