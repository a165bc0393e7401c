/** Protects what the recorded answers do not reach: filters, names that are none, strangers, limits. */
import { LokiError, parseTenantId } from '@loki/model';
import type { HttpRequest, Workers } from '@loki/ports';
import { RuleConfigApi } from './rule-config-api.ts';
import { ObjectRuleStore } from './rule-store.ts';
import { limitsOf, RulerWorld, silentLogger, tenantA } from './test/world.ts';

const text =
  'name: g\nrules:\n- record: r\n  expr: vector(1)\n  labels: {team: x}\n- record: s\n  expr: vector(1)\n';

class Api {
  readonly world = new RulerWorld();
  readonly ruler = this.world.ruler();
  readonly api = new RuleConfigApi({ store: this.world.store, limits: limitsOf(), ruler: this.ruler });

  request(
    over: Partial<Record<'namespace' | 'groupname' | 'query' | 'body' | 'type', string>> = {},
  ): HttpRequest {
    const { namespace, groupname, query = '', body = text, type = 'application/yaml' } = over;
    const params = new Map<string, string>();
    if (namespace !== undefined) params.set('namespace', namespace);
    if (groupname !== undefined) params.set('groupname', groupname);
    return {
      method: 'GET',
      path: '',
      params,
      queryText: query,
      headers: new Map([['content-type', type]]),
      body: Buffer.from(body),
      remoteAddress: '',
      signal: new AbortController().signal,
    };
  }

  create(over: Parameters<Api['request']>[0] = {}): Promise<number> {
    const work = this.api.create(tenantA, this.request({ namespace: 'ns', ...over }));
    return this.world.do(work).then(({ status }) => status, statusOf);
  }
}

function statusOf(error: unknown): number {
  if (!(error instanceof LokiError)) throw error;
  return error.status;
}

// 37 KB of YAML kept the thread that serves requests for 150 ms, and a mebibyte for seconds.
test('a large group is read by a worker, when it is put and when it is read again; faults are told alike', async () => {
  const world = new RulerWorld();
  const tasks: string[] = [];
  const workers: Workers = {
    parallelism: 1,
    run: async (task, input) => {
      tasks.push(task.name);
      return structuredClone(await task.run(structuredClone(input), undefined as never));
    },
    close: () => Promise.resolve(),
  };
  const store = new ObjectRuleStore(world.bucket.client(world.process), silentLogger, workers);
  const api = new RuleConfigApi({ store, limits: limitsOf(), ruler: world.ruler(), workers });
  const small = new Api();
  const put = (body: string) =>
    world
      .do(api.create(tenantA, small.request({ namespace: 'ns', body })))
      .then(({ status }) => status, String);
  const rule = '- record: r\n  expr: vector(1)\n';
  expect(await put(text)).toBe(202);
  expect(tasks).toEqual([]);
  expect(await put(`name: large\nrules:\n${rule.repeat(200)}`)).toBe(202);
  expect((await world.do(store.group(tenantA, 'ns', 'large'))).rules).toHaveLength(200);
  expect(tasks).toEqual(['ruler.readGroup', 'ruler.readGroup']);
  const faults = [
    `name: x\nrules:\n${rule.repeat(200)}- [`,
    `name: x\nrules:\n${rule.repeat(200)}- record: 1\n`,
  ];
  const alone = faults.map((body) => small.create({ body }));
  expect(await Promise.all(faults.map(put))).toEqual([
    expect.stringContaining('unable to decoded rule group'),
    expect.stringContaining('field'),
  ]);
  expect(await Promise.all(alone)).toEqual([400, 400]);
});

test('a body that claims to be a form is gone before anybody reads it', async () => {
  const api = new Api();
  await expect(
    api.world.do(
      api.api.create(
        tenantA,
        api.request({ namespace: 'ns', type: 'Application/X-WWW-Form-Urlencoded; charset=utf-8' }),
      ),
    ),
  ).rejects.toThrow('group 0: Groupname must not be empty');
});

test('bytes that are no UTF-8 are refused: a rule must not be stored as another query', async () => {
  const api = new Api();
  const body = Buffer.from(text.replace('team: x', 'team: "x\xff"'), 'latin1');
  const request = { ...api.request({ namespace: 'ns' }), body };
  await expect(api.world.do(api.api.create(tenantA, request))).rejects.toThrow(
    'unable to decoded rule group',
  );
  expect(await api.create()).toBe(202);
});

test('lists can be narrowed to rules with labels', async () => {
  const api = new Api();
  await api.create();
  const { body } = await api.world.do(api.api.list(tenantA, api.request({ query: 'labels=team:x' })));
  expect(String(body)).toBe(
    'ns:\n    - name: g\n      rules:\n        - record: r\n          expr: vector(1)\n          labels:\n            team: x\n',
  );
  await expect(api.world.do(api.api.list(tenantA, api.request({ query: 'labels=team:y' })))).rejects.toThrow(
    'no rule groups found',
  );
  await expect(api.world.do(api.api.list(tenantA, api.request({ query: 'labels=team' })))).rejects.toThrow(
    'invalid labels filter',
  );
});

test.each(['..', '.', 'a b', 'ü', '\0', '%2F', 'x'.repeat(180)])(
  '%j is a namespace like any other',
  async (namespace) => {
    const api = new Api();
    expect(await api.create({ namespace })).toBe(202);
    const { status } = await api.world.do(api.api.get(tenantA, api.request({ namespace, groupname: 'g' })));
    expect(status).toBe(200);
    expect([...api.world.bucket.objects.keys()].every((key) => /^rules\/a\/[\w-]+\/[\w-]+$/.test(key))).toBe(
      true,
    );
  },
);

test('a namespace that is too long or has a slash is none', async () => {
  const api = new Api();
  expect(await api.create({ namespace: 'x'.repeat(181) })).toBe(400);
  expect(await api.create({ namespace: 'a/b' })).toBe(404);
  const read = api.api.get(tenantA, api.request({ namespace: 'x'.repeat(2000), groupname: 'g' }));
  expect(await api.world.do(read).then(({ status }) => status, statusOf)).toBe(404);
});

test('tenants see and change their own rules only, whatever they are called', async () => {
  const api = new Api();
  await api.create();
  const others = ['b', 'a-', 'A'].map(parseTenantId);
  for (const other of others) {
    await expect(api.world.do(api.api.list(other, api.request()))).rejects.toThrow('no rule groups found');
    await expect(
      api.world.do(api.api.get(other, api.request({ namespace: 'ns', groupname: 'g' }))),
    ).rejects.toThrow('group does not exist');
    await api.world.do(api.api.deleteGroup(other, api.request({ namespace: 'ns', groupname: 'g' })));
    await expect(
      api.world.do(api.api.deleteNamespace(other, api.request({ namespace: 'ns' }))),
    ).rejects.toThrow('group namespace does not exist');
  }
  expect((await api.world.do(api.api.list(tenantA, api.request()))).status).toBe(200);
});

test('a changed group runs at once, a deleted one no more', async () => {
  const api = new Api();
  await api.world.do(api.ruler.start());
  await api.create();
  expect(api.ruler.running(tenantA)).toHaveLength(1);
  await api.world.do(api.api.deleteNamespace(tenantA, api.request({ namespace: 'ns' })));
  expect(api.ruler.running(tenantA)).toEqual([]);
});
