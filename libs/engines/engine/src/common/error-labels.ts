/** Label names under which a failed stage shows in results and filters. */
export const errorLabel = '__error__';
export const errorDetailsLabel = '__error_details__';

/** Suffix of a parsed or metadata name that a stream label (or metadata) already has. */
export const extractedSuffix = '_extracted';

/** Values of `__error__`, as clients match on them. */
export const errorKinds = {
  json: 'JSONParserErr',
  logfmt: 'LogfmtParserErr',
  labelFilter: 'LabelFilterErr',
  template: 'TemplateFormatErr',
  sampleExtraction: 'SampleExtractionErr',
} as const;

/**
 * Rows with an error that a metric query takes as samples instead of failing for them: all where only their
 * being there counts; those that a parser failed for where the query names `__error__`; or none.
 */
export type CountedErrors = 'all' | 'ofParsers' | 'none';

export function failsFor(error: string, counted: CountedErrors): boolean {
  if (error === '' || counted === 'all') return false;
  return counted === 'none' || (error !== errorKinds.json && error !== errorKinds.logfmt);
}
