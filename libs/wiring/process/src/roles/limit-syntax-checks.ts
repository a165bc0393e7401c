/** Checks LogQL and patterns in limits when they are read. */
import type { LimitSyntaxChecks } from '@loki/config';
import { parseSelection } from '@loki/logql';
import { compileRegex } from '@loki/regex';

/** Checks of LogQL and patterns in limits: mistakes are reported when limits are read, not by each query. */
export const limitSyntaxChecks: LimitSyntaxChecks = {
  selector(text) {
    const { stages } = parseSelection(text);
    if (stages.length > 0) throw new Error('only label matchers are supported');
  },
  pattern(text) {
    compileRegex(text);
  },
};
