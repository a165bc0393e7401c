/** Protects files, threads and other processes' connections from clients that take every descriptor. */
import { connectionsMaxOf, descriptorsMax, rpcConnectionsMaxOf } from './descriptors.ts';

test.each([
  [0, 100, 37],
  [0, 1_024, 384],
  [0, 65_536, 55_024],
  [30, 100, 30],
  [500, 100, 37],
  [500, Infinity, 500],
  [0, Infinity, 0],
])('configured %d, descriptors %d: %d connections', (given, descriptors, connections) => {
  expect(connectionsMaxOf(given, descriptors)).toBe(connections);
});

test.each([
  [1, 1],
  [100, 25],
  [1_048_576, 10_000],
  [Infinity, 0],
])('descriptors %d: %d connections of gRPC', (descriptors, connections) => {
  expect(rpcConnectionsMaxOf(descriptors)).toBe(connections);
});

test('both ports together leave descriptors for files', () => {
  for (const descriptors of [64, 100, 1_024, 4_096, 65_536, 1_048_576]) {
    const taken = connectionsMaxOf(0, descriptors) + rpcConnectionsMaxOf(descriptors);
    expect(descriptors - taken).toBeGreaterThanOrEqual(Math.min(descriptors / 4, 512));
  }
});

test('the limit of this process is known', () => {
  expect(descriptorsMax()).toBeGreaterThan(20);
});
