/** From the label text of a push to a checked stream: step *validate* of a written line. */
import type { Limits } from '@loki/config';
import { parseLabels } from '@loki/logql';
import { compareText, hash64, Labels, LokiError } from '@loki/model';
import type { LabelPair, TenantId } from '@loki/model';
import { normalizeLevel } from '../levels/detected-level.ts';
import { compiledLimits } from './compiled-limits.ts';
import type { DiscardReason } from './discard.ts';
import { placementHash } from './partition-chooser.ts';
import { enforcedLabels, policyOf } from './policies.ts';
import { discoverServiceName, isInternalStream, serviceNameLabel } from './service-name.ts';

/** The reason why all entries of a stream are refused. */
interface StreamRejection {
  readonly reason: DiscardReason;
  readonly text: string;
}

/** The meaning of one label text for one tenant under its limits; agents send the same text in every push. */
export interface ResolvedStream {
  readonly limits: Limits;
  readonly labels: Labels;
  /** The labels as error texts print them. */
  readonly text: string;
  readonly rejection: StreamRejection | undefined;
  /** Hash of tenant and labels: chooses the partition. */
  readonly placementHash: number;
  /** 53 bits of the hash of the labels: the stream as its counter identifies it; 0: it is rejected. */
  readonly hash: number;
  /** Level that a label of the stream states, for its entries without a level of their own. */
  readonly level: string | undefined;
  readonly isInternal: boolean;
  /** '' : none. */
  readonly policy: string;
  /** Retention period of its entries; Infinity: no limit. */
  readonly retentionMs: number;
}

/** Marks streams of a backfill; clients may not set them by themselves. */
const backfillLabel = '__backfill__';
const backfillShardLabel = '__backfill_shard__';

/**
 * Resolves the label text of a push: parses, drops empty values, adds `service_name`, checks. Pure; errors
 * are values, because other streams of the push continue.
 *
 * @param backfillShard set for a backfill: its streams are stored apart from current ones
 */
export function resolveStream(
  tenant: TenantId,
  text: string,
  limits: Limits,
  backfillShard?: string,
): ResolvedStream {
  let pushedPairs: readonly LabelPair[];
  try {
    pushedPairs = parseLabels(text);
  } catch (cause) {
    if (!(cause instanceof LokiError)) throw cause;
    return rejected(limits, text, {
      reason: 'invalid_labels',
      text: withPrefix(cause.message),
    });
  }
  if (pushedPairs.some(([name]) => name === '')) {
    return rejected(limits, text, {
      reason: 'invalid_labels',
      text: withPrefix('label name is empty'),
    });
  }
  const pairs = pushedPairs.filter(([, value]) => value !== '').sort((a, b) => compareText(a[0], b[0]));
  const serviceName = discoverServiceName(pairs, limits.discoverServiceName);
  if (serviceName !== undefined) {
    pairs.push([serviceNameLabel, serviceName]);
    pairs.sort((a, b) => compareText(a[0], b[0]));
  }
  if (pairs.length === 0) {
    return rejected(limits, '{}', {
      reason: 'missing_labels',
      text: 'error at least one label pair is required per stream',
    });
  }
  const policy = policyOf(compiledLimits(limits).policies, pairs);
  const printed = printPairs(pairs);
  const rejection = checkPairs(pairs, printed, { policy, tenant, limits });
  if (rejection) return rejected(limits, printed, rejection, policy);
  if (backfillShard !== undefined) {
    pairs.push([backfillLabel, 'true'], [backfillShardLabel, backfillShard]);
    pairs.sort((a, b) => compareText(a[0], b[0]));
  }
  const labels = Labels.fromSorted(
    pairs.map(([name]) => name),
    pairs.map(([, value]) => value),
  );
  return {
    limits,
    labels,
    text: labels.toString(),
    rejection: undefined,
    placementHash: placementHash(tenant + labels.toString()),
    hash: Number(BigInt.asUintN(53, hash64(labels.toString()))),
    level: levelOfLabels(labels, limits),
    isInternal: isInternalStream(pairs),
    policy,
    retentionMs: compiledLimits(limits).retention.of(pairs),
  };
}

function rejected(limits: Limits, text: string, rejection: StreamRejection, policy = ''): ResolvedStream {
  return {
    limits,
    labels: Labels.empty,
    text,
    rejection,
    placementHash: 0,
    hash: 0,
    level: undefined,
    isInternal: false,
    policy,
    retentionMs: Number.POSITIVE_INFINITY,
  };
}

const parsePrefix = "couldn't parse labels: ";

function withPrefix(text: string): string {
  return text.startsWith(parsePrefix) ? text : parsePrefix + text;
}

/** Text of pairs with a repeated name, which `Labels` refuses. */
function printPairs(pairs: readonly LabelPair[]): string {
  return `{${pairs.map(([name, value]) => Labels.fromSorted([name], [value]).toString().slice(1, -1)).join(', ')}}`;
}

function checkPairs(
  pairs: readonly LabelPair[],
  printed: string,
  context: { policy: string; tenant: TenantId; limits: Limits },
): StreamRejection | undefined {
  const { policy, tenant, limits } = context;
  const reserved = pairs.find(([name]) => name === backfillLabel || name === backfillShardLabel);
  if (reserved) {
    return {
      reason: 'invalid_labels',
      text: `stream '${printed}' has reserved label name: '${reserved[0]}'`,
    };
  }
  const missing = enforcedLabels(limits, policy).filter(
    (required) => !pairs.some(([name]) => name === required),
  );
  if (missing.length > 0) {
    return {
      reason: 'missing_enforced_labels',
      text: `missing required labels '${missing.join(',')}' for user '${tenant}' for stream '${printed}'${policy === '' ? '' : ` (policy: '${policy}')`}`,
    };
  }
  // The sender is not at fault for a derived service name, nor for one that an agent derived in our place.
  const count = pairs.reduce((names, [name]) => names + (name === serviceNameLabel ? 0 : 1), 0);
  if (count > limits.maxLabelNamesPerSeries) {
    return {
      reason: 'max_label_names_per_series',
      text: `entry for stream '${printed}' has ${count} label names; limit ${limits.maxLabelNamesPerSeries}`,
    };
  }
  let last: string | undefined;
  for (const [name, value] of pairs) {
    if (Buffer.byteLength(name) > limits.maxLabelNameLength) {
      return {
        reason: 'label_name_too_long',
        text: `stream '${printed}' has label name too long: '${name}'`,
      };
    }
    if (Buffer.byteLength(value) > limits.maxLabelValueLength) {
      return {
        reason: 'label_value_too_long',
        text: `stream '${printed}' has label value too long: '${value}'`,
      };
    }
    if (name === last) {
      return {
        reason: 'duplicate_label_names',
        text: `stream '${printed}' has duplicate label name: '${name}'`,
      };
    }
    last = name;
  }
  return undefined;
}

function levelOfLabels(labels: Labels, limits: Limits): string | undefined {
  for (const field of compiledLimits(limits).levelFields) {
    const value = labels.get(field);
    if (value !== undefined) return normalizeLevel(value);
  }
  return undefined;
}
