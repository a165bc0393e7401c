/** permissions.yaml of the extension, as rules that a test can remove one by one. */
import { parseAllDocuments } from 'yaml';

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface Permissions {
  /** In the extension's namespace. */
  readonly role: readonly Rule[];
  readonly clusterRole: readonly Rule[];
}

/** One verb on one resource. */
export interface Right {
  readonly scope: keyof Permissions;
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
}

/** Blocks of the file that are comments, for modes of chart loki-grafana that are not the default. */
export type Block = 'sidecar' | 'operator';

const header = /provision\.mode (\w+):$/;
const commented = /^#(?= {2})/;

/** @param blocks  read as if they were no comments */
export function readPermissions(text: string, blocks: readonly Block[] = []): Permissions {
  let block = '';
  const lines = text.split('\n').map((line) => {
    block = header.exec(line)?.[1] ?? block;
    return blocks.includes(block as Block) ? line.replace(commented, '') : line;
  });
  const documents = parseAllDocuments(lines.join('\n')).map(
    (each) => each.toJS() as { readonly kind: string; readonly rules: readonly Rule[] },
  );
  const rulesOf = (kind: string) =>
    documents.filter((each) => each.kind === kind).flatMap(({ rules }) => rules);
  return { role: rulesOf('Role'), clusterRole: rulesOf('ClusterRole') };
}

export function rightsOf(permissions: Permissions): Right[] {
  return (['role', 'clusterRole'] as const).flatMap((scope) =>
    permissions[scope].flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => ({ scope, group, resource, verb }))),
      ),
    ),
  );
}

/** The permissions without one right. */
export function without(permissions: Permissions, right: Right): Permissions {
  const remaining = permissions[right.scope].flatMap((rule): Rule[] => {
    if (!rule.apiGroups.includes(right.group) || !rule.resources.includes(right.resource)) return [rule];
    return rule.resources.map((resource) => ({
      ...rule,
      resources: [resource],
      verbs: rule.verbs.filter((verb) => resource !== right.resource || verb !== right.verb),
    }));
  });
  return { ...permissions, [right.scope]: remaining.filter(({ verbs }) => verbs.length > 0) };
}

export function textOf({ group, resource, verb }: Right): string {
  return `${verb} ${resource}${group === '' ? '' : `.${group}`}`;
}
