import { parseExpr } from '@loki/logql';
import type { HttpRequest, Task, Workers } from '@loki/ports';
import { expectCost, unitOfCost } from '@loki/test-tools';
import { parseWholeQuery } from '../limits/request-limits.ts';
import { formatQuery, LongQueries } from './long-queries.ts';

/** Runs tasks at once and names them; results are clones, as those of a thread. */
class NamingWorkers implements Workers {
  readonly parallelism = 1;
  readonly names: string[] = [];

  async run<Input, Output>(task: Task<Input, Output>, input: Input): Promise<Output> {
    this.names.push(task.name);
    return structuredClone(await task.run(input, undefined as never));
  }

  async close(): Promise<void> {}
}

function requestOf(params: readonly (readonly [string, string])[]): HttpRequest {
  return {
    method: 'GET',
    path: '/loki/api/v1/query_range',
    params: new Map(),
    queryText: new URLSearchParams(params as [string, string][]).toString(),
    headers: new Map(),
    body: Buffer.alloc(0),
    remoteAddress: '',
    signal: new AbortController().signal,
  };
}

// Queries of the longest length took up to 0.6 s of the main thread each time that they were parsed, with
// patterns that were compiled six times for an answer.
test.each([
  ['a pattern of a line filter', `{a="b"} |~ "${'.*x'.repeat(43_000)}"`],
  ['a pattern of a parser', `{a="b"} | regexp "(?P<x>a)${'.*x'.repeat(43_000)}"`],
  ['a template', `{a="b"} | line_format "${'{{.x}}'.repeat(21_000)}"`],
  ['thousands of operands', `{a="b"} |= "a"${' or "b"'.repeat(4_900)}`],
  ['thousands of matchers', `{a="b"${',c!~"x.+"'.repeat(1_000)}}`],
])('the main thread finds the tree of a long query: %s', async (_, query) => {
  const workers = new NamingWorkers();
  await new LongQueries(workers).read(requestOf([['query', query]]));
  expect(workers.names).toEqual(['gateway.readQueries']);
  await expectCost(() => () => parseExpr(query), unitOfCost, { timesMax: 1 });
  expect(parseExpr(query).kind).toBe('log');
});

test.each([
  ['the grammar', (padding: string) => `{a="b"} |= "${padding}" |`],
  ['the selector', (padding: string) => `{a=~".*"} |= "${padding}"`],
  ['a stage', (padding: string) => `{a="b"} |= "${padding}" |~ "("`],
  ['a large pattern', (padding: string) => `{a=~"${padding}.*${'.*x'.repeat(2_000)}"}`],
])('a fault of a long query has the text of a short one: %s', async (_, queryOf) => {
  const [unread, query] = [queryOf('x'.repeat(3_000)), queryOf('y'.repeat(3_000))];
  await new LongQueries(new NamingWorkers()).read(requestOf([['query', query]]));
  const textOf = (text: string) => {
    try {
      return parseExpr(text).kind;
    } catch (error) {
      return String(error).replaceAll('y', 'x');
    }
  };
  expect(textOf(query)).toMatch(/parse error/);
  expect(textOf(query)).toBe(textOf(unread).replaceAll('y', 'x'));
});

test('short queries stay on the main thread, and many of them together do not', async () => {
  const workers = new NamingWorkers();
  const queries = new LongQueries(workers);
  await queries.read(
    requestOf([
      ['query', '{a="b"}'],
      ['x', 'y'.repeat(3_000)],
    ]),
  );
  expect(workers.names).toEqual([]);
  const selectors = Array.from({ length: 200 }, (_, i) => ['match[]', `{number="${i}", a="b"}`] as const);
  await queries.read(requestOf(selectors));
  expect(workers.names).toEqual(['gateway.readQueries']);
  const long = Array.from({ length: 3 }, (_, i) => ['match[]', `{a="${i}${'x'.repeat(60_000)}"}`] as const);
  await expect(queries.read(requestOf(long))).rejects.toThrow('input size too long');
});

test('the whole of a split query is read by a worker as well', async () => {
  const workers = new NamingWorkers();
  const whole = `{a="b"} |~ "${'.*x'.repeat(4_000)}"`;
  const header = JSON.stringify({ expr: whole, from: 1, to: 2 });
  const request = {
    ...requestOf([['query', '{a="b"}']]),
    headers: new Map([['x-loki-query-limits-context', header]]),
  };
  await new LongQueries(workers).read(request);
  expect(workers.names).toEqual(['gateway.readQueries']);
  await expectCost(() => () => parseWholeQuery(header), unitOfCost, { timesMax: 1 });
  const bad = { ...request, headers: new Map([['x-loki-query-limits-context', `{${header}`]]) };
  await new LongQueries(workers).read(bad);
  expect(workers.names).toHaveLength(1);
});

test('long queries are formatted by a worker, with the same texts', async () => {
  const workers = new NamingWorkers();
  const query = `{a="b"} |= "${'x'.repeat(3_000)}"`;
  for (const text of [query, `${query} |`]) {
    const request = requestOf([['query', text]]);
    expect(await formatQuery(request, workers)).toEqual(await formatQuery(request));
  }
  expect(workers.names).toEqual(['gateway.formatQuery', 'gateway.formatQuery']);
});
