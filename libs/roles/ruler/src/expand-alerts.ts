/**
 * Expands the templates of an alert's labels and annotations for each of its series, in a worker if needed.
 */
import { nsPerMs, interruptible, LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { Task, Workers } from '@loki/ports';
import { expandAlertTemplate } from './alert-template.ts';
import { withLabels } from './evaluate.ts';
import type { RuleSample } from './evaluate.ts';
import type { Rule } from './rule-group.ts';

/** A series that raises an alert, with its expanded texts. */
export interface RaisedAlert {
  readonly labels: readonly LabelPair[];
  readonly annotations: readonly LabelPair[];
  readonly value: number;
}

interface ExpandInput {
  readonly rule: Pick<Rule, 'name' | 'labels' | 'annotations'>;
  readonly samples: readonly RuleSample[];
  readonly externalLabels: readonly LabelPair[];
  readonly externalUrl: string;
  readonly nowMs: number;
}

/** Bound on the time of one rule's templates over all series. Ordinary templates take 10 us each. */
const workMsMax = 2_000;
/** Bound on the characters of all labels and annotations of one rule's alerts: they are stored and sent. */
const charsMax = 1 << 24;

/**
 * `expandAlerts` in a worker, because templates are programs of their tenant. Each is bounded, and all
 * templates of one evaluation together have two seconds.
 */
export const expandAlertsTask: Task<ExpandInput, readonly RaisedAlert[]> = {
  name: 'ruler.expand',
  run(input, { clock }, checkCancelled) {
    const beganMs = clock?.monotonicMs() ?? 0;
    const check = () => {
      checkCancelled?.();
      if (clock && clock.monotonicMs() - beganMs > workMsMax) {
        throw refused(`took longer than ${workMsMax / 1000}s`);
      }
    };
    return interruptible(check, () => expandAlerts(input, check));
  },
};

/** The alerts that `samples` raise; uses a worker if a text has something to expand. */
export async function raiseAlerts(
  input: ExpandInput,
  workers: Workers,
  signal: AbortSignal,
): Promise<readonly RaisedAlert[]> {
  const { labels, annotations } = input.rule;
  const isPlain = ![...labels, ...annotations].some(([, text]) => text.includes('{{'));
  return isPlain || input.samples.length === 0
    ? expandAlerts(input)
    : workers.run(expandAlertsTask, input, { signal });
}

/** @throws LokiError badRequest for more text than a rule may have */
export function expandAlerts(input: ExpandInput, check?: () => void): RaisedAlert[] {
  const { rule, samples, externalLabels, externalUrl, nowMs } = input;
  const nowNs = () => BigInt(nowMs) * nsPerMs;
  let charsLeft = charsMax;
  return samples.map(({ labels, value }) => {
    check?.();
    const data = { labels, value, externalLabels, externalUrl };
    const expand = ([name, text]: LabelPair): LabelPair => {
      const expanded = expandAlertTemplate(text, rule.name, data, nowNs);
      charsLeft -= expanded.length;
      if (charsLeft < 0) throw refused(`made more than ${charsMax} characters`);
      return [name, expanded];
    };
    const own = withLabels(
      labels.filter(([name]) => name !== '__name__'),
      rule.labels.map(expand),
      [['alertname', rule.name]],
    );
    return { labels: own, annotations: rule.annotations.map(expand), value };
  });
}

function refused(failure: string): LokiError {
  return new LokiError(
    'badRequest',
    `expanding the templates of the rule's labels and annotations ${failure}`,
  );
}
