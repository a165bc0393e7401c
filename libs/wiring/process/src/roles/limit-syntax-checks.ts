import type { LimitSyntaxChecks } from '@loki/config';
import { parseSelection } from '@loki/logql';
import { compileRegex } from '@loki/regex';

/**
 * Checks of limits in LogQL and as patterns: a mistake is reported when they are read, not by each query of
 * the tenant.
 */
export const limitSyntaxChecks: LimitSyntaxChecks = {
  selector(text) {
    const { stages } = parseSelection(text);
    if (stages.length > 0) throw new Error('only label matchers are supported');
  },
  pattern(text) {
    compileRegex(text);
  },
};
