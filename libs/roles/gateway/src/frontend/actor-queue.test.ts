/** Protects: one user of a tenant with a hundred queries does not hold up the others of that tenant. */
import fc from 'fast-check';
import { QueryApi } from '../api/query-api.ts';
import { clock, getRequest, logger, tenancyOf, testFrontend, TestQuerier } from '../test/gateway.ts';
import { ActorQueue, parseActorPath } from './actor-queue.ts';
import { FairQueue } from './fair-queue.ts';

function drain<Job>(queue: ActorQueue<Job>): Job[] {
  const jobs: Job[] = [];
  for (let job = queue.take(); job !== undefined; job = queue.take()) jobs.push(job);
  return jobs;
}

test('actors take turns at each level, and so do jobs for nobody in particular', () => {
  const queue = new ActorQueue<string>();
  const add = (path: string, ...jobs: string[]) =>
    jobs.forEach((job) => queue.add(parseActorPath(path, 3), job, 'last'));
  add('team a|ann', 'ann 1', 'ann 2', 'ann 3', 'ann 4');
  add('team a|bob', 'bob 1', 'bob 2');
  add('team b', 'b 1', 'b 2', 'b 3');
  add('', 'any 1', 'any 2');
  expect(queue.size).toBe(11);
  expect(drain(queue)).toEqual(
    ['ann 1, b 1, any 1', 'bob 1, b 2, any 2', 'ann 2, b 3', 'bob 2, ann 3, ann 4'].join(', ').split(', '),
  );
});

test('nothing is lost, doubled or turned around, whatever comes and goes', () => {
  const path = fc.array(fc.constantFrom('a', 'b'), { maxLength: 3 });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), path }),
    fc.constant({ kind: 'take' as const }),
    fc.record({ kind: fc.constant('remove' as const), at: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new ActorQueue<number>();
      let queued: { path: string[]; job: number }[] = [];
      const takeOne = () => {
        const job = queue.take();
        const at = queued.findIndex((each) => each.job === job);
        if (job === undefined) return expect(queued).toEqual([]);
        // Of one actor the one that came first.
        const same = queued.filter((each) => each.path.join() === queued[at].path.join());
        expect(same[0].job).toBe(job);
        queued = queued.filter((each) => each.job !== job);
      };
      steps.forEach((each, i) => {
        if (each.kind === 'add') {
          queue.add(each.path, i, 'last');
          queued.push({ path: each.path, job: i });
        } else if (each.kind === 'take') takeOne();
        else if (queued.length > 0) {
          const removed = queued[each.at % queued.length];
          expect(queue.remove(removed.path, removed.job)).toBe(true);
          expect(queue.remove(removed.path, removed.job)).toBe(false);
          queued = queued.filter((other) => other !== removed);
        }
        expect(queue.size).toBe(queued.length);
        expect([...queue].sort((a, b) => a - b)).toEqual(queued.map(({ job }) => job));
      });
      while (queued.length > 0) takeOne();
      expect(queue.take()).toBeUndefined();
    }),
  );
});

test.each([
  ['a|b', 3, ['a', 'b']],
  [' a || b |', 3, ['a', 'b']],
  ['', 3, []],
  ['a|b|c|d', 0, []],
  ['x'.repeat(1000), 1, ['x'.repeat(150)]],
])('the path %j of at most %d levels is %j', (text, levels, path) => {
  expect(parseActorPath(text, levels)).toEqual(path);
});

test('no path is none, one that is too deep is refused', () => {
  expect(parseActorPath(undefined, 3)).toEqual([]);
  expect(() => parseActorPath('a|b|c|d', 3)).toThrow('deeper than 3 levels');
  expect(() => parseActorPath('a|'.repeat(1e6), 3)).toThrow('deeper than 3 levels');
});

test('an actor’s job that is given up does not run, and full is full for all of a tenant', async () => {
  const queue = new FairQueue({ outstandingMax: 2 });
  const ran: string[] = [];
  const job = (name: string) => () => Promise.resolve(void ran.push(name));
  const giveUp = new AbortController();
  const waiting = queue.submit('t', job('given up'), giveUp.signal, ['a']);
  const other = queue.submit('t', job('other'), undefined, ['b']);
  await expect(queue.submit('t', job('third'), undefined, ['c'])).rejects.toThrow(
    'too many outstanding requests',
  );
  giveUp.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  const stop = new AbortController();
  void queue.serve(stop.signal, undefined);
  await other;
  stop.abort();
  expect(ran).toEqual(['other']);
});

test('a query waits in the line of whoever it is for', async () => {
  const querier = new TestQuerier();
  const order: string[] = [];
  querier.runLeaf = (request) => {
    order.push(request.expr);
    return TestQuerier.prototype.runLeaf.call(querier, request);
  };
  const frontend = testFrontend(querier, {}, { maxConcurrent: 0 });
  const api = new QueryApi({ frontend, clock, logger });
  const ask = (name: string, actor: string) =>
    api.queryRange(
      { ...getRequest({ query: `{q="${name}"}` }), headers: new Map([['x-loki-actor-path', actor]]) },
      tenancyOf('t'),
    );
  const requests: Promise<unknown>[] = [];
  for (const name of ['loud 1', 'loud 2', 'loud 3', 'quiet']) {
    requests.push(ask(name, name.split(' ')[0]));
    while (frontend.queueLength < requests.length) await new Promise(setImmediate);
  }
  const stop = new AbortController();
  void frontend.serve(querier, stop.signal);
  await Promise.all(requests);
  stop.abort();
  expect(order.map((expr) => /"(.*)"/.exec(expr)![1])).toEqual(['loud 1', 'quiet', 'loud 2', 'loud 3']);
  await expect(ask('x', 'a|b|c|d')).rejects.toMatchObject({ status: 500 });
  frontend.stop();
});
