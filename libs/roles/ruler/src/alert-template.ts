/** Templates of an alert's labels and annotations: last step of an alert. */
import { BoundedMap } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { compileDataTemplate, TemplateExecError } from '@loki/template';
import type { DataTemplate, LabelMap, Value } from '@loki/template';
import { alertFunctions } from './alert-functions.ts';

/** The data that templates of labels and annotations can use. */
interface AlertData {
  /** Labels of the series that raised the alert. */
  readonly labels: readonly LabelPair[];
  readonly value: number;
  readonly externalLabels: readonly LabelPair[];
  readonly externalUrl: string;
}

/** Prometheus prepends these to each template; columns in errors are counted from there, also here. */
const variables =
  '{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}';

/** Bound on compiled templates in a process; their texts come from rules. */
const compiledMax = 20_000;
const compiled = new BoundedMap<string, DataTemplate>(compiledMax);

/**
 * A template of an alert's label or annotation.
 *
 * @throws TemplateSyntaxError in Prometheus' words
 */
export function compileAlertTemplate(text: string, alert: string): DataTemplate {
  const key = `${alert}\0${text}`;
  const cached = compiled.get(key);
  if (cached) return cached;
  const template = compileDataTemplate(variables + text, {
    name: `__alert_${alert}`,
    functions: alertFunctions,
  });
  compiled.set(key, template);
  return template;
}

/** The text for one series. If the template fails, the error replaces the text, as in Prometheus. */
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
