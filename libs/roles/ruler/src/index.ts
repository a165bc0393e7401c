/** Public exports of the ruler; wiring is their only user. */
export { AlertmanagerSink, alertsUrl } from './alertmanager.ts';
export { RuleConfigApi } from './rule-config-api.ts';
export { notVectorText } from './evaluate.ts';
export type { EvaluateRule, RuleSample } from './evaluate.ts';
export { expandAlertsTask } from './expand-alerts.ts';
export { LocalRuleStore } from './local-rule-store.ts';
export { ownsAllRules } from './owner.ts';
export type { RuleOwner } from './owner.ts';
export { PrometheusRuleApi, readRuleGroups } from './prometheus-api.ts';
export type { RuleApiGroup, RulerPeers } from './prometheus-api.ts';
export { readRelabelSteps } from './relabel.ts';
export { readGroupTask } from './read-group-task.ts';
export { basicCredentials, readRemoteClients, splitUrl } from './remote-client.ts';
export type { RemoteClient, RemoteServer } from './remote-client.ts';
export { RemoteWriteSink } from './remote-write-sink.ts';
export { ObjectRuleStore } from './rule-store.ts';
export { Ruler } from './ruler.ts';
