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
