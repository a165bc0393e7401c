/** Bodies of pushes for tests of the distributor, and a distributor with given limits. */
import type { Limits } from '@loki/config';
import { defaultLimits, testDistributor } from './distributor.ts';

/** The time of the tests' clock. */
export const nowMs = Date.UTC(2026, 0, 15, 12, 30);
export const nowNs = BigInt(nowMs) * 1_000_000n;

/** Offset from `nowNs`, line, structured metadata. */
export type Entry = [offsetNs: number | bigint, line: string, metadata?: Record<string, string>];

/** A push in Loki's JSON. */
export function jsonBody(...streams: { labels: Record<string, string>; entries: Entry[] }[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      streams: streams.map(({ labels, entries }) => ({
        stream: labels,
        values: entries.map(([offset, line, metadata]) => [
          String(nowNs + BigInt(offset)),
          line,
          ...(metadata ? [metadata] : []),
        ]),
      })),
    }),
  );
}

/** A push in OTLP's JSON. */
export function otlpBody(attributes: Record<string, string>, records: object[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      resourceLogs: [
        {
          resource: {
            attributes: Object.entries(attributes).map(([key, stringValue]) => ({
              key,
              value: { stringValue },
            })),
          },
          scopeLogs: [{ logRecords: records }],
        },
      ],
    }),
  );
}

/** A distributor whose tenants all have these limits. */
export function withLimits(limits: Partial<Limits>) {
  const merged = { ...defaultLimits, ...limits };
  return testDistributor({ limits: () => merged });
}
