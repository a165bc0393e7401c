/** News of the catalog in wire form. */
import type { CatalogNews, CatalogNumbers, SharedLogNumbers } from '@loki/ports';
import type { WireCatalogNews, WireCatalogNumbers, WireSharedLogNumbers } from '@loki/proto';
import { malformed } from './columns.ts';

export function numbersToWire({ partitions, shared }: CatalogNumbers): WireCatalogNumbers {
  return {
    partitions: [...partitions.keys()],
    numbers: Array.from(partitions.values(), BigInt),
    shared: sharedToWire(shared),
  };
}

export function numbersFromWire({ partitions, numbers, shared }: WireCatalogNumbers): CatalogNumbers {
  if (numbers.length !== partitions.length) {
    throw malformed('partitions without numbers');
  }
  return {
    partitions: new Map(partitions.map((partition, i) => [partition, Number(numbers[i])])),
    shared: sharedFromWire(shared),
  };
}

export function newsToWire({ partitions, shared }: CatalogNews): WireCatalogNews {
  return {
    partitions: partitions.map(({ partition, number, isLeader, manifests }) => ({
      partition,
      number: BigInt(number),
      isLeader,
      manifests: [...manifests],
    })),
    shared: sharedToWire(shared),
  };
}

export function newsFromWire({ partitions, shared }: WireCatalogNews): CatalogNews {
  return {
    partitions: partitions.map((each) => ({ ...each, number: Number(each.number) })),
    shared: sharedFromWire(shared),
  };
}

function sharedToWire({ compactions, deletes, layout }: SharedLogNumbers): WireSharedLogNumbers {
  return { compactions: BigInt(compactions), deletes: BigInt(deletes), layout: BigInt(layout) };
}

function sharedFromWire(shared: WireSharedLogNumbers | undefined): SharedLogNumbers {
  const { compactions = 0n, deletes = 0n, layout = 0n } = shared ?? {};
  return { compactions: Number(compactions), deletes: Number(deletes), layout: Number(layout) };
}
