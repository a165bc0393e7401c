import { freeMemory } from './free-memory.ts';

test('memory that an array has to itself is freed', () => {
  const array = new Float64Array(1024);
  freeMemory(array);
  expect([array.length, array.buffer.detached]).toEqual([0, true]);
  const slow = Buffer.allocUnsafeSlow(8192);
  freeMemory(slow);
  expect(slow.length).toBe(0);
  // Again, as after it was moved to another thread: nothing happens.
  freeMemory(slow);
});

test('memory that others see stays', () => {
  const whole = Buffer.allocUnsafeSlow(16_384).fill(7);
  freeMemory(whole.subarray(0, 8192));
  expect(whole[16_383]).toBe(7);
  const pooled = Buffer.from('from the pool of small buffers');
  freeMemory(pooled);
  expect(pooled.toString()).toBe('from the pool of small buffers');
  const shared = new Uint8Array(new SharedArrayBuffer(8192));
  freeMemory(shared);
  expect(shared.length).toBe(8192);
});
