/** The samples that dashboards and alerts of a mixin query, and those of a scrape. */
import fs from 'node:fs';
import path from 'node:path';
import { compileRegex } from '@loki/regex';

interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

/** A metric with one value of each label, of which a sample must exist. */
interface SampleClaim {
  readonly name: string;
  readonly matchers: readonly Matcher[];
}

/** A series of a scrape: its labels, including those that the scrape adds. */
type Labels = ReadonlyMap<string, string>;

/** Values that Grafana fills in where All is chosen. */
const variables: ReadonlyMap<string, string> = new Map([
  ['cluster', '.*'],
  ['namespace', '.+'],
]);

/** All expressions over metrics: of panels, alerts and recording rules. */
export function mixinExpressions(mixin: string): string[] {
  const exprs: string[] = [];
  for (const file of fs.readdirSync(path.join(mixin, 'dashboards'))) {
    const text = fs.readFileSync(path.join(mixin, 'dashboards', file), 'utf8');
    const { panels } = JSON.parse(text) as {
      panels: { datasource?: { type: string }; targets?: { expr: string }[] }[];
    };
    for (const panel of panels) {
      if (panel.datasource?.type !== 'prometheus') continue;
      exprs.push(...(panel.targets ?? []).map(({ expr }) => expr));
    }
  }
  for (const file of ['alerts.yaml', 'rules.yaml']) {
    const text = fs.readFileSync(path.join(mixin, file), 'utf8').replaceAll(/^\s*#.*$/gm, '');
    exprs.push(
      ...text
        .split(/^\s*expr:/m)
        .slice(1)
        .map((part) => part.split(/^\s*(?:for|labels|- record|- alert):/m)[0]),
    );
  }
  return exprs;
}

/**
 * Claims of an expression. A pattern of alternatives becomes a claim for each: samples of one value prove
 * nothing for the others. The job of a panel is one claim: it names the separate app and the single process.
 */
export function sampleClaims(expr: string): SampleClaim[] {
  const claims: SampleClaim[] = [];
  const selectors = expr.matchAll(
    /(?<!:)\b((?:loki|logql|process|nodejs|kube|go)_[a-z0-9_]+)\b(?!:)(?:\{((?:[^}"]|"(?:[^"\\]|\\.)*")*)\})?/g,
  );
  for (const [, name, inner = ''] of selectors) {
    const matchers = [...inner.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g)].map(
      ([, label, operator, value]): Matcher => ({ label, operator, value: filledIn(value) }),
    );
    let each: Matcher[][] = [[]];
    for (const matcher of matchers) {
      each = alternativesOf(matcher).flatMap((one) => each.map((others) => [...others, one]));
    }
    claims.push(...each.map((one) => ({ name, matchers: one })));
  }
  return claims;
}

/** @throws when the expression has a variable that no dashboard defines */
function filledIn(text: string): string {
  return text.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const value = variables.get(name);
    if (value === undefined) throw new Error(`no value for $${name}`);
    return value;
  });
}

function alternativesOf(matcher: Matcher): Matcher[] {
  const { label, operator, value } = matcher;
  if (operator !== '=~' || label === 'job' || value.includes('(')) return [matcher];
  return value.split('|').map((one) => ({ label, operator, value: one }));
}

/** Adds the series of a scrape under their names, with the labels that Prometheus gives to its target. */
export function addSeries(series: Map<string, Labels[]>, text: string, target: Record<string, string>): void {
  for (const [, name, inner = ''] of text.matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? \S+$/gm)) {
    const own = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, k, v]) => [k, v] as const);
    const labels = new Map([...own, ...Object.entries(target)]);
    const others = series.get(name);
    if (others) others.push(labels);
    else series.set(name, [labels]);
  }
}

/** A sample of the claim is among the series. */
export function hasSample(
  series: ReadonlyMap<string, readonly Labels[]>,
  { name, matchers }: SampleClaim,
): boolean {
  return (series.get(name) ?? []).some((labels) => matchers.every((each) => isMatch(labels, each)));
}

function isMatch(labels: Labels, { label, operator, value }: Matcher): boolean {
  const own = labels.get(label) ?? '';
  if (operator === '=') return own === value;
  if (operator === '!=') return own !== value;
  return (operator === '=~') === compileRegex(value, { anchored: true, dotAll: true }).test(own);
}

/** The same semantics as PromQL. */
export function claimText({ name, matchers }: SampleClaim): string {
  return `${name}{${matchers.map(({ label, operator, value }) => `${label}${operator}"${value}"`).join(', ')}}`;
}
