/** Checks `schema_config`: the parts of Loki's index periods that this store uses. */
import { parseGoDuration, parsePrometheusDuration } from '@loki/go';
import { dayNs } from '@loki/model';
import { ConfigError } from './config-error.ts';
import type { ConfigNotice } from './config-error.ts';
import type { Settings } from './settings.ts';

/** One item of `schema_config.configs`, with the fields that have a meaning here. */
interface SchemaPeriod {
  readonly store?: string;
  readonly object_store?: string;
  readonly schema?: string;
  readonly from?: string;
  readonly index?: { readonly period?: string };
}

export function periods(settings: Settings): readonly SchemaPeriod[] {
  return (settings.raw('schema_config.configs') as readonly SchemaPeriod[] | undefined) ?? [];
}

const schemaProcedure = "search for 'Storage Schema' in the docs for the schema update procedure";

/**
 * Schema periods describe an index we do not have; they are checked for settings whose absence would surprise
 * the operator, with Loki's texts where Loki has them. Periods before the last describe data that is not in
 * this store.
 *
 * @throws ConfigError for an unsupported index, or for structured metadata with an older schema
 */
export function checkSchemaConfig(
  settings: Settings,
  allowStructuredMetadata: boolean,
  notices: ConfigNotice[],
): void {
  const all = periods(settings);
  const last = all.at(-1);
  if (last === undefined) return;
  const faults = [
    ...schemaVersionFaults(all),
    ...indexPeriodFaults(all),
    ...(allowStructuredMetadata ? structuredMetadataFaults(last) : []),
  ];
  if (faults.length > 1) faults.unshift('MULTIPLE CONFIG ERRORS FOUND, PLEASE READ CAREFULLY');
  if (faults.length > 0) throw new ConfigError(faults.join('\n'));
  for (const period of all) {
    if (hasTsdb(period)) continue;
    const store = `schema_config: store ${JSON.stringify(period.store)} is not supported`;
    if (period === last) {
      throw new ConfigError(
        `${store}: data of that index has to be migrated; add a period with store: tsdb, schema: v13 and start with an empty store`,
      );
    }
    notices.push({
      level: 'warn',
      message: `${store}: data of the period from ${period.from} is not read`,
    });
  }
}

/** Schemas that Loki has had. */
const schemaVersions: readonly string[] = ['v9', 'v10', 'v11', 'v12', 'v13'];

function schemaVersionFaults(all: readonly SchemaPeriod[]): string[] {
  return all
    .filter(({ schema = '' }) => schema !== '' && !schemaVersions.includes(schema))
    .map(
      ({ schema, from }) =>
        `CONFIG ERROR: invalid schema config: validating period_config: invalid schema version ${JSON.stringify(schema)} (from: ${from}); it is one of ${schemaVersions.join(', ')}`,
    );
}

function hasTsdb({ store = '' }: SchemaPeriod): boolean {
  return store === '' || store === 'tsdb';
}

function indexPeriodFaults(all: readonly SchemaPeriod[]): string[] {
  const isOdd = all.some((period) => {
    const text = period.index?.period;
    return period.store === 'tsdb' && text !== undefined && !isOneDay(text);
  });
  return isOdd
    ? [
        'CONFIG ERROR: invalid schema config: validating period_config: tsdb must always have periodic config for index set to 24h',
      ]
    : [];
}

function isOneDay(text: string): boolean {
  return parsePrometheusDuration(text) === dayNs || parseGoDuration(text) === dayNs;
}

function structuredMetadataFaults(last: SchemaPeriod): string[] {
  const remedy =
    'Set `allow_structured_metadata: false` in the `limits_config` section or set the command line argument `-validation.allow-structured-metadata=false` and restart Loki. Then proceed to update';
  const needed = 'is required to store Structured Metadata and use native OTLP ingestion, your';
  const faults: string[] = [];
  const version = Number(/^v(\d+)$/.exec(last.schema ?? '')?.[1] ?? 13);
  if (version < 13) {
    faults.push(
      `CONFIG ERROR: schema v13 ${needed} schema version is ${last.schema}. ${remedy} to schema v13 or newer before re-enabling this config, ${schemaProcedure}`,
    );
  }
  if (!hasTsdb(last)) {
    faults.push(
      `CONFIG ERROR: \`tsdb\` index type ${needed} index type is \`${last.store}\` (defined in the \`store\` parameter of the schema_config). ${remedy} the schema to use index type \`tsdb\` before re-enabling this config, ${schemaProcedure}`,
    );
  }
  return faults;
}
