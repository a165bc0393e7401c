/**
 * An app with a mistake planted in its adapters: `planted-main.ts PLANT APP flags…`. Started by `npm run
 * chaos` alone.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Catalog } from '@loki/catalog';
import type { ObjectStore } from '@loki/ports';
import { run } from '@loki/process';
import type { Adapters } from '@loki/process';
import type { Plant } from './planted.ts';

/** How long a segment travels after it was called durable. */
const lateMs = 4_000;

const adaptersOf: Readonly<Record<Plant, Adapters>> = {
  commitBeforeFlush: { objectStore: storeThatAnswersEarly },
  bothLeadersWin: { objectStore: storeThatOverwrites, isLeader: () => true },
  staleCatalog: { catalog: catalogThatProvesNothing },
};

/** Segments are reported as durable at once and uploaded later; a crash in between loses them. */
function storeThatAnswersEarly(store: ObjectStore): ObjectStore {
  const put: ObjectStore['put'] = async (key, bytes, signal) => {
    if (!key.includes('segments/')) return store.put(key, bytes, signal);
    // The mistake: a failure is reported to no client.
    void sleep(lateMs)
      .then(() => store.put(key, bytes))
      .catch(() => undefined);
  };
  return overriding(store, { put });
}

/** Create-if-absent without a look at existing objects. */
function storeThatOverwrites(store: ObjectStore): ObjectStore {
  const putIfAbsent: ObjectStore['putIfAbsent'] = async (key, bytes, signal) => {
    await store.put(key, bytes, signal);
    return true;
  };
  return overriding(store, { putIfAbsent });
}

/** A catalog that claims to reach any offset, although it has not read that far. */
function catalogThatProvesNothing(catalog: Catalog): Catalog {
  const segmentsFor: Catalog['segmentsFor'] = (tenant, startNs, endNs, upTo) => {
    const offsets = [...(upTo ?? [])].map(([partition, offset]): [number, number] => [
      partition,
      Math.min(offset, catalog.state(partition).endOffset),
    ]);
    return catalog.segmentsFor(tenant, startNs, endNs, new Map(offsets));
  };
  return overriding(catalog, { refreshTo: () => Promise.resolve(), segmentsFor });
}

/** The object with some methods replaced; the others are called on the object itself. */
function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(object, name) {
      const replaced = (methods as Record<PropertyKey, unknown>)[name];
      if (replaced) return replaced;
      const value: unknown = Reflect.get(object, name, object);
      return typeof value === 'function' ? (value.bind(object) as unknown) : value;
    },
  });
}

// All further arguments are the app's own.
const [plant, target] = process.argv.splice(2, 2);
await run({ target, adapters: adaptersOf[plant as Plant] });
