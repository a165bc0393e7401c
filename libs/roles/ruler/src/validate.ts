/** Checks rule groups with Loki's error texts: first step of the story of a rule. */
import { parseExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { TemplateSyntaxError } from '@loki/template';
import { compileAlertTemplate } from './alert-template.ts';
import type { WrittenGroup, WrittenRule } from './read-yaml.ts';
import type { Rule, RuleGroup } from './rule-group.ts';

/** Bound on the bytes of a group's name and of a namespace: both become part of an object's key. */
export const nameBytesMax = 180;

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/**
 * Checks that a group can be evaluated.
 *
 * @throws LokiError 400 with Loki's text for the first fault
 */
export function checkGroup(written: WrittenGroup): RuleGroup {
  const { name, intervalMs, limit } = written;
  if (name === '') throw refused('group 0: Groupname must not be empty');
  if (Buffer.byteLength(name) > nameBytesMax) {
    throw refused(`group name is too long: max ${nameBytesMax} bytes`);
  }
  const rules = written.rules.map((rule) => checkRule(rule, name));
  return { name, intervalMs, limit, rules };
}

function checkRule(written: WrittenRule, group: string): Rule {
  const { record, alert, expr, labels, annotations } = written;
  if (record !== '' && alert !== '') throw refused("only one of 'record' and 'alert' must be set");
  if (record === '' && alert === '') throw refused("one of 'record' or 'alert' must be set");
  const kind = record === '' ? 'alert' : 'record';
  const name = record === '' ? alert : record;
  if (expr === '') throw refused("field 'expr' must be set in rule");
  checkExpression(expr, `could not parse expression for ${kind} '${name}' in group '${group}'`);
  if (kind === 'record') checkRecord(written);
  for (const [label, value] of labels) {
    if (!labelName.test(label) || label === '__name__') throw refused(`invalid label name: ${label}`);
    if (!value.isWellFormed()) throw refused(`invalid label value: ${value}`);
  }
  for (const [annotation] of annotations) {
    if (!labelName.test(annotation)) throw refused(`invalid annotation name: ${annotation}`);
  }
  if (kind === 'alert') {
    checkTemplates('label', labels, name);
    checkTemplates('annotation', annotations, name);
  }
  const { forMs, keepFiringForMs } = written;
  return { kind, name, expr, forMs, keepFiringForMs, labels, annotations };
}

/** A log selection is accepted, as in Loki; its rule then reports that the result is no vector. */
function checkExpression(expr: string, context: string): void {
  try {
    parseExpr(expr);
  } catch (error) {
    if (!(error instanceof LokiError)) throw error;
    throw refused(`${context}: ${error.message}`, error);
  }
}

function checkRecord({ record, annotations, forMs, keepFiringForMs }: WrittenRule): void {
  if (annotations.length > 0) throw refused("invalid field 'annotations' in recording rule");
  if (forMs !== 0) throw refused("invalid field 'for' in recording rule");
  if (keepFiringForMs !== 0) throw refused("invalid field 'keep_firing_for' in recording rule");
  if (!metricName.test(record)) throw refused(`invalid recording rule name: ${record}`);
}

function checkTemplates(kind: string, pairs: readonly LabelPair[], alert: string): void {
  for (const [name, text] of pairs) {
    try {
      compileAlertTemplate(text, alert);
    } catch (error) {
      if (!(error instanceof TemplateSyntaxError)) throw error;
      throw refused(`${kind} "${name}": ${error.message}`, error);
    }
  }
}

function refused(text: string, cause?: unknown): LokiError {
  return new LokiError('badRequest', text, cause === undefined ? undefined : { cause });
}
