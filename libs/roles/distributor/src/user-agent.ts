/** Agents with a metric label of their own; clients choose the header, so the set is closed. */
const knownAgents = [
  'promtail',
  'alloy',
  'grafana-agent',
  'fluent-bit',
  'fluentd',
  'vector',
  'logstash',
  'otel',
  'opentelemetry',
  'k6',
  'curl',
];

/** A User-Agent as a metric label: a known agent's name, `other`, or '' when there is none. */
export function userAgentLabel(header: string): string {
  if (header === '') return '';
  const lower = header.slice(0, 64).toLowerCase();
  return knownAgents.find((agent) => lower.includes(agent)) ?? 'other';
}
