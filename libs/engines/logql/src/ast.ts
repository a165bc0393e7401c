/**
 * The tree a query parses to. Plain data: structured-cloneable, no methods, so that it can be sent to
 * workers.
 */

export type MatchOp = '=' | '!=' | '=~' | '!~';

export interface Matcher {
  readonly name: string;
  readonly op: MatchOp;
  readonly value: string;
}

export interface Grouping {
  readonly without: boolean;
  readonly labels: readonly string[];
}

// ---- log expressions

export type LineFilterOp = '|=' | '!=' | '|~' | '!~' | '|>' | '!>';

/** One operand of a line filter: plain text, regex or pattern by the operator; `ip` means `ip("…")`. */
export interface LineFilterOperand {
  readonly text: string;
  readonly ip: boolean;
}

export interface LineFilterStageSpec {
  readonly kind: 'lineFilter';
  readonly op: LineFilterOp;
  /** Operands joined by `or`: one match suffices. A stage with a negative operator has one operand. */
  readonly operands: readonly LineFilterOperand[];
}

/** `label="expression"` of json and logfmt. */
export interface Extraction {
  readonly label: string;
  readonly expression: string;
}

export interface JsonStageSpec {
  readonly kind: 'json';
  /** Empty: extract everything. */
  readonly extractions: readonly Extraction[];
}
export interface LogfmtStageSpec {
  readonly kind: 'logfmt';
  readonly strict: boolean;
  readonly keepEmpty: boolean;
  readonly extractions: readonly Extraction[];
}
export interface RegexpStageSpec {
  readonly kind: 'regexp';
  readonly pattern: string;
}
export interface PatternStageSpec {
  readonly kind: 'pattern';
  readonly pattern: string;
}
export interface UnpackStageSpec {
  readonly kind: 'unpack';
}
export interface DecolorizeStageSpec {
  readonly kind: 'decolorize';
}
export interface LabelFilterStageSpec {
  readonly kind: 'labelFilter';
  readonly filter: LabelFilter;
}
export interface LineFormatStageSpec {
  readonly kind: 'lineFormat';
  readonly template: string;
}
export interface LabelFormatStageSpec {
  readonly kind: 'labelFormat';
  readonly formats: readonly LabelFormat[];
}
export type LabelFormat =
  { readonly label: string; readonly rename: string } | { readonly label: string; readonly template: string };
export interface DropStageSpec {
  readonly kind: 'drop';
  readonly targets: readonly (string | Matcher)[];
}
export interface KeepStageSpec {
  readonly kind: 'keep';
  readonly targets: readonly (string | Matcher)[];
}

export type Stage =
  | LineFilterStageSpec
  | JsonStageSpec
  | LogfmtStageSpec
  | RegexpStageSpec
  | PatternStageSpec
  | UnpackStageSpec
  | DecolorizeStageSpec
  | LabelFilterStageSpec
  | LineFormatStageSpec
  | LabelFormatStageSpec
  | DropStageSpec
  | KeepStageSpec;

export type CompareOp = '==' | '!=' | '>' | '>=' | '<' | '<=';

export type LabelFilter =
  | { readonly kind: 'string'; readonly matcher: Matcher }
  | { readonly kind: 'number'; readonly name: string; readonly op: CompareOp; readonly value: number }
  /** In nanoseconds, because seconds would not be exact. */
  | { readonly kind: 'duration'; readonly name: string; readonly op: CompareOp; readonly valueNs: bigint }
  | { readonly kind: 'bytes'; readonly name: string; readonly op: CompareOp; readonly valueBytes: number }
  | { readonly kind: 'ip'; readonly name: string; readonly op: '=' | '!='; readonly pattern: string }
  | { readonly kind: 'and'; readonly left: LabelFilter; readonly right: LabelFilter }
  | { readonly kind: 'or'; readonly left: LabelFilter; readonly right: LabelFilter };

export interface LogExpr {
  readonly kind: 'log';
  readonly matchers: readonly Matcher[];
  readonly stages: readonly Stage[];
}

// ---- metric expressions

export type UnwrapConversion = '' | 'bytes' | 'duration' | 'duration_seconds';

export interface Unwrap {
  readonly label: string;
  readonly conversion: UnwrapConversion;
  /** Label filters after the unwrap. */
  readonly filters: readonly LabelFilter[];
}

export type RangeOp =
  | 'count_over_time'
  | 'rate'
  | 'rate_counter'
  | 'bytes_over_time'
  | 'bytes_rate'
  | 'avg_over_time'
  | 'sum_over_time'
  | 'min_over_time'
  | 'max_over_time'
  | 'stdvar_over_time'
  | 'stddev_over_time'
  | 'quantile_over_time'
  | 'first_over_time'
  | 'last_over_time'
  | 'absent_over_time';

export interface RangeAggExpr {
  readonly kind: 'rangeAgg';
  readonly op: RangeOp;
  /** The quantile; undefined for all other operations. */
  readonly parameter?: number;
  readonly log: LogExpr;
  readonly unwrap?: Unwrap;
  readonly rangeNs: bigint;
  /** May be negative. */
  readonly offsetNs: bigint;
  readonly grouping?: Grouping;
}

export type VectorOp =
  | 'sum'
  | 'avg'
  | 'count'
  | 'max'
  | 'min'
  | 'stddev'
  | 'stdvar'
  | 'topk'
  | 'bottomk'
  | 'approx_topk'
  | 'sort'
  | 'sort_desc';

export interface VectorAggExpr {
  readonly kind: 'vectorAgg';
  readonly op: VectorOp;
  /** k of topk, bottomk, approx_topk. */
  readonly parameter?: number;
  readonly grouping?: Grouping;
  readonly expr: MetricExpr;
}

export type BinaryOp =
  'or' | 'and' | 'unless' | '==' | '!=' | '>' | '>=' | '<' | '<=' | '+' | '-' | '*' | '/' | '%' | '^';

export interface VectorMatching {
  readonly returnBool: boolean;
  readonly on: boolean;
  readonly labels: readonly string[];
  readonly card: 'one-to-one' | 'many-to-one' | 'one-to-many';
  /** Labels of group_left(…) or group_right(…). */
  readonly include: readonly string[];
}

export interface BinaryExpr {
  readonly kind: 'binary';
  readonly op: BinaryOp;
  readonly matching: VectorMatching;
  readonly left: MetricExpr;
  readonly right: MetricExpr;
}

export interface LiteralExpr {
  readonly kind: 'literal';
  readonly value: number;
}

export interface LabelReplaceExpr {
  readonly kind: 'labelReplace';
  readonly expr: MetricExpr;
  readonly destination: string;
  readonly replacement: string;
  readonly source: string;
  readonly pattern: string;
}

export interface VectorExpr {
  readonly kind: 'vector';
  readonly value: number;
}

export type MetricExpr =
  RangeAggExpr | VectorAggExpr | BinaryExpr | LiteralExpr | LabelReplaceExpr | VectorExpr;

export type Expr = LogExpr | MetricExpr;
