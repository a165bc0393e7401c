/** docs/reference/routes.md: the table of routes, as the HTTP servers have it. */
import { routes } from '@loki/http';
import type { RouteId, RouteSpec } from '@loki/http';
import { code, opening, table } from './markdown.ts';

interface Section {
  readonly title: string;
  readonly text: string;
  readonly has: (id: RouteId, spec: RouteSpec) => boolean;
}

const isRules = (id: string) => /^(?:rules|prometheus)/.test(id);

/** A route stands in the first section that has it. */
const sections: readonly Section[] = [
  {
    title: 'Push',
    text: 'Answered by distributors, and by gateways that pass pushes on. The body is bounded by `distributor.max_recv_msg_size`.',
    has: (_, { body }) => body === 'push',
  },
  {
    title: 'Operate',
    text: '*port* says where a route is answered when `server.admin_listen_port` is set: on that port alone, or on both. Without it all are on one port. Keep these from tenants.',
    has: (_, { port }) => port !== undefined,
  },
  {
    title: 'Rules and alerts',
    text: 'Answered by rulers, and by gateways that pass requests on. [Rules of a tenant](../guide.md#back-up-and-restore) are read and written here.',
    has: isRules,
  },
  {
    title: 'Deletes',
    text: 'Answered by compactors, and by gateways that pass requests on.',
    has: (id) => id === 'deletes' || id.startsWith('cache'),
  },
  {
    title: 'Query',
    text: 'Answered by gateways and query frontends. `export` and `explain` are [ours](../beyond-loki.md); all others are Loki’s.',
    has: () => true,
  },
];

export function routesPage(): string {
  const all = Object.entries(routes) as [RouteId, RouteSpec][];
  const listed = new Set<RouteId>();
  const parts = sections.map(({ title, text, has }) => {
    const own = all.filter(([id, spec]) => !listed.has(id) && has(id, spec));
    for (const [id] of own) listed.add(id);
    const isOperators = title === 'Operate';
    const rows = own.map(([id, { path, methods, body, port, changes }]) => [
      code(path),
      methods === undefined ? 'any' : methods.join(' '),
      ...(isOperators ? [port ?? ''] : [bodyText(body)]),
      changesText(changes, methods),
      code(id),
    ]);
    const head = ['path', 'methods', isOperators ? 'port' : 'body', 'changes something', 'name in the code'];
    return `## ${title}\n\n${text}\n\n${table(head, rows)}\n`;
  });
  return [
    opening(
      'Routes',
      `Every HTTP route. \`:name\` stands for one segment of a path. A path that is not here is answered \`404 page not found\`, another
method 405 with \`Allow\`; HEAD is answered where GET alone is. With \`auth_enabled\` a tenant’s routes want the header \`X-Scope-OrgID\`.
Requests that change something are refused when a page of another site sends them. The label \`route\` of metrics is the path
with \`_\` for \`/\`.`,
    ),
    ...parts,
  ].join('\n');
}

function bodyText(body: RouteSpec['body']): string {
  return { none: 'none', push: 'entries', form: 'form', rules: 'YAML' }[body];
}

function changesText(changes: RouteSpec['changes'], methods: readonly string[] | undefined): string {
  if (changes === 'always') return 'yes';
  if (changes === undefined) return '';
  return methods?.some((method) => method !== 'GET') ? 'but for GET' : '';
}
