import { BoundedMap } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { compileDataTemplate, TemplateExecError } from '@loki/template';
import type { DataTemplate, LabelMap, Value } from '@loki/template';
import { alertFunctions } from './alert-functions.ts';

/** The data that labels and annotations of an alert may speak of. */
interface AlertData {
  /** Labels of the series that raised the alert. */
  readonly labels: readonly LabelPair[];
  readonly value: number;
  readonly externalLabels: readonly LabelPair[];
  readonly externalUrl: string;
}

/** Prometheus puts these before each template; errors count columns from there, and so do ours. */
const variables =
  '{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}';

/** Compiled templates of one process; texts come from rules, so their number is bounded. */
const compiledMax = 20_000;
const compiled = new BoundedMap<string, DataTemplate>(compiledMax);

/**
 * A template of an alert's label or annotation.
 *
 * @throws TemplateSyntaxError in Prometheus' words
 */
export function compileAlertTemplate(text: string, alert: string): DataTemplate {
  const key = `${alert}\0${text}`;
  const known = compiled.get(key);
  if (known) return known;
  const template = compileDataTemplate(variables + text, {
    name: `__alert_${alert}`,
    functions: alertFunctions,
  });
  compiled.set(key, template);
  return template;
}

/**
 * The text for one series. A template that fails leaves its error in the place of its text, as in Prometheus.
 */
export function expandAlertTemplate(
  text: string,
  alert: string,
  data: AlertData,
  nowNs: () => bigint,
): string {
  if (!text.includes('{{')) return text;
  try {
    return compileAlertTemplate(text, alert).execute(dotOf(data), nowNs);
  } catch (error) {
    if (!(error instanceof TemplateExecError)) throw error;
    return `<error expanding template: error executing template __alert_${alert}: ${error.message}>`;
  }
}

function dotOf(data: AlertData): ReadonlyMap<string, Value> {
  return new Map<string, Value>([
    ['Labels', labelMap(data.labels)],
    ['ExternalLabels', labelMap(data.externalLabels)],
    ['ExternalURL', data.externalUrl],
    ['Value', data.value],
  ]);
}

function labelMap(pairs: readonly LabelPair[]): LabelMap {
  const map = new Map(pairs);
  return { isLabelMap: true, get: (name) => map.get(name), all: () => map };
}
