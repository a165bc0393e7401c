/** The answers of each kind of pipeline stage to the questions that planning a query asks. */
import type { Stage } from './ast.ts';

interface StageTraits {
  /** Extracts labels from the line. */
  readonly isParser: boolean;
  /** Stages behind it see another line: a line filter may not move ahead of it. */
  readonly replacesLine: boolean;
  /** Labels or errors may differ behind it: a filter on stored labels may not move ahead of it. */
  readonly changesLabels: boolean;
  /** The stage needs the line's bytes. */
  readonly needsLine: boolean;
  /** Whether the line decides which labels come out of the stage, and whether the row passes. */
  readonly dependsOnLine: 'always' | 'by its templates' | 'never';
  /** May stand in the shorter pipeline that finds out early that a row will be dropped. */
  readonly mayProbe: boolean;
  /** Reads lines at the speed of a parser, not of a search. */
  readonly hasParserCost: boolean;
}

const parser: StageTraits = {
  isParser: true,
  replacesLine: false,
  changesLabels: true,
  needsLine: true,
  dependsOnLine: 'always',
  mayProbe: true,
  hasParserCost: true,
};

const onLabels: StageTraits = {
  isParser: false,
  replacesLine: false,
  changesLabels: true,
  needsLine: false,
  dependsOnLine: 'never',
  mayProbe: true,
  hasParserCost: false,
};

/** One record for all kinds of stages: a kind without an entry is a type error. */
export const stageTraits: Readonly<Record<Stage['kind'], StageTraits>> = {
  lineFilter: { ...onLabels, changesLabels: false, needsLine: true, dependsOnLine: 'always' },
  json: parser,
  logfmt: parser,
  regexp: parser,
  pattern: parser,
  unpack: { ...parser, replacesLine: true, mayProbe: false },
  // It changes the line, but filters behind it see the stored one, as the reference's do (its issue 18898).
  decolorize: { ...onLabels, changesLabels: false, needsLine: true, mayProbe: false },
  // A filter changes labels: it sets errors.
  labelFilter: onLabels,
  lineFormat: {
    ...onLabels,
    replacesLine: true,
    needsLine: true,
    dependsOnLine: 'by its templates',
    mayProbe: false,
    hasParserCost: true,
  },
  labelFormat: { ...onLabels, needsLine: true, dependsOnLine: 'by its templates', mayProbe: false },
  drop: onLabels,
  keep: onLabels,
};
