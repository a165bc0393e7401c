/** Protects the reading of NetworkPolicies: the check of the chart's is worth as much as this. */
import type { KubeObject } from './kube-api.ts';
import { mayConnect } from './policies.ts';
import type { Endpoint } from './policies.ts';

const pod = (app: string, namespace = 'a'): Endpoint => ({
  namespace,
  namespaceLabels: { name: namespace },
  labels: { app },
});
const policy = (spec: object): KubeObject => ({
  kind: 'NetworkPolicy',
  metadata: { name: 'p', namespace: 'a', uid: '' },
  spec,
});
const denied = policy({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
const door = policy({
  podSelector: { matchLabels: { app: 'door' } },
  policyTypes: ['Ingress'],
  ingress: [{ from: [{ namespaceSelector: { matchLabels: { name: 'b' } } }], ports: [{ port: 80 }] }],
});
const inner = policy({
  podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['store'] }] },
  policyTypes: ['Egress'],
  egress: [{ to: [{ podSelector: { matchLabels: { app: 'store' } } }] }],
});

test.each([
  ['nothing selects: all', [], pod('x'), pod('y'), 1, true],
  ['an empty policy denies', [denied], pod('x'), pod('y'), 1, false],
  ['another namespace has no policy', [denied], pod('x', 'b'), pod('y', 'c'), 1, true],
  ['a rule admits its namespace', [denied, door], pod('x', 'b'), pod('door'), 80, true],
  ['at its port', [denied, door], pod('x', 'b'), pod('door'), 81, false],
  ['and no other namespace', [denied, door], pod('x', 'c'), pod('door'), 80, false],
  ['both ends must allow it', [denied, inner], pod('x'), pod('store'), 1, false],
  ['a selector without a namespace means its own', [inner], pod('x'), pod('store', 'b'), 1, false],
  ['one end alone has a policy', [inner], pod('x'), pod('store'), 1, true],
  ['NotIn leaves out', [inner], pod('store'), pod('x'), 1, true],
] as const)('%s', (_, policies, from, to, port, isAllowed) => {
  expect(mayConnect(policies, { from, to, port })).toBe(isAllowed);
});
