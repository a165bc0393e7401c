/** The labels and values by which errors of stages show in rows. */

/** Names of the labels of a failed stage, in results and filters. */
export const errorLabel = '__error__';
export const errorDetailsLabel = '__error_details__';

/** Suffix of a parsed or metadata name that a stream label (or metadata) already has. */
export const extractedSuffix = '_extracted';

/** Values of `__error__`, on which clients match. */
export const errorKinds = {
  json: 'JSONParserErr',
  logfmt: 'LogfmtParserErr',
  labelFilter: 'LabelFilterErr',
  template: 'TemplateFormatErr',
  sampleExtraction: 'SampleExtractionErr',
} as const;

/**
 * Rows with an error that a metric query counts as samples instead of failing: all, when only the presence of
 * rows matters; those with an error of a parser, when the query names `__error__`; or none.
 */
export type CountedErrors = 'all' | 'ofParsers' | 'none';

export function failsFor(error: string, tolerated: CountedErrors): boolean {
  if (error === '' || tolerated === 'all') return false;
  return tolerated === 'none' || (error !== errorKinds.json && error !== errorKinds.logfmt);
}
