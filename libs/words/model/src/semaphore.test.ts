import { Semaphore } from './semaphore.ts';

test('so many run at a time, the others in the order of coming; who gives up waiting never runs', async () => {
  const semaphore = new Semaphore(2);
  const order: string[] = [];
  const gates = new Map<string, () => void>();
  const gone = new AbortController();
  const run = (name: string, by?: AbortSignal) =>
    semaphore.run(() => {
      order.push(name);
      return new Promise<void>((resolve) => gates.set(name, resolve));
    }, by);
  const all = [run('a'), run('b')];
  const given = run('c', gone.signal);
  all.push(run('d'));
  gone.abort(new Error('gone'));
  await expect(given).rejects.toThrow('gone');
  await expect(run('e', gone.signal)).rejects.toThrow('gone');
  expect(order).toEqual(['a', 'b']);
  gates.get('b')!();
  await all[1];
  await Promise.resolve();
  expect(order).toEqual(['a', 'b', 'd']);
  gates.get('a')!();
  gates.get('d')!();
  await Promise.all(all);
});

test('a failure frees its slot', async () => {
  const semaphore = new Semaphore(1);
  await expect(semaphore.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await semaphore.run(() => Promise.resolve(1))).toBe(1);
});
