/** Garbage of a burst is given back when the thread is idle, and a busy thread is left alone. */
import { mib } from '@loki/model';
import { IdleCollection, machineDeps } from './idle-collection.ts';

/** A thread whose load and memory a test sets; a collection leaves `liveBytes`. */
function newThread() {
  const thread = { utilization: 0, heldBytes: 20 * mib, liveBytes: 20 * mib, collections: 0, isFirst: true };
  const collection = new IdleCollection({
    utilization: () => thread.utilization,
    heldBytes: () => thread.heldBytes,
    collect: (isFirst) => {
      thread.collections++;
      thread.isFirst = isFirst;
      thread.heldBytes = thread.liveBytes;
    },
  });
  return { thread, check: () => collection.check() };
}

test('garbage is collected once the thread is idle', () => {
  const { thread, check } = newThread();
  Object.assign(thread, { utilization: 0.5, heldBytes: 90 * mib });
  check();
  expect(thread.collections).toBe(0);
  thread.utilization = 0.01;
  check();
  expect(thread).toMatchObject({ collections: 1, heldBytes: 20 * mib });
  check();
  expect(thread.collections).toBe(1);
});

test('memory that is in use is not collected again and again', () => {
  const { thread, check } = newThread();
  Object.assign(thread, { heldBytes: 90 * mib, liveBytes: 80 * mib });
  for (let i = 0; i < 5; i++) check();
  expect(thread).toMatchObject({ collections: 1, isFirst: true });
  thread.heldBytes = 100 * mib;
  check();
  expect(thread).toMatchObject({ collections: 2, isFirst: false });
});

test('memory that V8 has freed counts as garbage when it grows again', () => {
  const { thread, check } = newThread();
  check();
  thread.heldBytes = 5 * mib;
  check();
  thread.heldBytes = 19 * mib;
  check();
  expect(thread.collections).toBe(2);
});

test('garbage that the start has left is collected once, if there is enough', () => {
  const { thread, check } = newThread();
  check();
  check();
  expect(thread.collections).toBe(1);
  const small = newThread();
  small.thread.heldBytes = 10 * mib;
  small.check();
  expect(small.thread.collections).toBe(0);
});

test('a buffer without a user is gone after the collection', async () => {
  const collection = new IdleCollection({ ...machineDeps(), utilization: () => 0 });
  const reference = new WeakRef(new ArrayBuffer(64 * mib));
  // A reference is strong until the end of the turn that made it.
  await new Promise((resolve) => setImmediate(resolve));
  collection.check();
  expect(reference.deref()).toBeUndefined();
});
