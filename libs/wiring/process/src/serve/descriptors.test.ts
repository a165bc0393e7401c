/** Protects files, threads and other processes' connections from clients that take every descriptor. */
import { connectionsMaxOf, descriptorsMax } from './descriptors.ts';

test.each([
  [0, 100, 50],
  [0, 1_024, 512],
  [0, 65_536, 65_024],
  [40, 100, 40],
  [500, 100, 50],
  [500, Infinity, 500],
  [0, Infinity, 0],
])('configured %d, descriptors %d: %d connections', (given, descriptors, connections) => {
  expect(connectionsMaxOf(given, descriptors)).toBe(connections);
});

test('the limit of this process is known', () => {
  expect(descriptorsMax()).toBeGreaterThan(20);
});
