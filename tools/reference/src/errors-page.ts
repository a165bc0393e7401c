/** docs/reference/errors.md: the catalogue, the reasons of refused entries, and the texts of all errors. */
import type { DiscardReason } from '@loki/distributor';
import { errors } from '@loki/model';
import type { ErrorCode } from '@loki/model';
import { errorTexts, filesWithText } from './error-texts.ts';
import type { ErrorText } from './error-texts.ts';
import { cell, code, link, opening, table } from './markdown.ts';
import type { ProductFile } from './source.ts';

interface ReasonSpec {
  readonly status: string;
  /** The rule that an entry breaks, with the keys that set it. */
  readonly rule: string;
}

const reasons: Readonly<Record<DiscardReason, ReasonSpec>> = {
  request_body_too_large: {
    status: '413',
    rule: 'A body has at most `distributor.max_recv_msg_size` bytes.',
  },
  invalid_labels: { status: '400', rule: 'Labels are a selector in Loki’s form, and have no reserved name.' },
  missing_labels: { status: '400', rule: 'A stream has at least one label.' },
  rate_limited: {
    status: '429',
    rule: '`limits_config.ingestion_rate_mb`, `ingestion_burst_size_mb`, `ingestion_rate_strategy`.',
  },
  line_too_long: {
    status: '400',
    rule: '`limits_config.max_line_size`; with `max_line_size_truncate` the line is cut instead. No entry is larger than a record of the write log.',
  },
  stream_limit: {
    status: '429',
    rule: '`limits_config.max_global_streams_per_user`, `max_streams_per_user`.',
  },
  per_stream_rate_limit: {
    status: '429',
    rule: '`limits_config.per_stream_rate_limit`, `per_stream_rate_limit_burst`; `shard_streams` makes shards with a limit for each.',
  },
  too_far_behind: {
    status: '400',
    rule: 'An entry is at most half of `ingester.max_chunk_age` older than the newest of its stream.',
  },
  greater_than_max_sample_age: {
    status: '400',
    rule: '`limits_config.reject_old_samples_max_age`; where retention is on, the stream’s retention.',
  },
  too_far_in_future: { status: '400', rule: '`limits_config.creation_grace_period`.' },
  max_label_names_per_series: { status: '400', rule: '`limits_config.max_label_names_per_series`.' },
  label_name_too_long: { status: '400', rule: '`limits_config.max_label_name_length`.' },
  label_value_too_long: { status: '400', rule: '`limits_config.max_label_value_length`.' },
  duplicate_label_names: { status: '400', rule: 'A stream has each label name once.' },
  disallowed_structured_metadata: { status: '400', rule: '`limits_config.allow_structured_metadata`.' },
  structured_metadata_too_large: { status: '400', rule: '`limits_config.max_structured_metadata_size`.' },
  structured_metadata_too_many: {
    status: '400',
    rule: '`limits_config.max_structured_metadata_entries_count`.',
  },
  blocked_ingestion: {
    status: 'configured',
    rule: '`limits_config.block_ingestion_until`, `block_ingestion_status_code`.',
  },
  blocked_ingestion_policy: { status: 'configured', rule: '`limits_config.block_ingestion_policy_until`.' },
  missing_enforced_labels: {
    status: '400',
    rule: '`limits_config.enforced_labels`, `policy_enforced_labels`.',
  },
};

export function errorsPage(files: ReadonlyMap<string, ProductFile>): string {
  const requestErrors = errorTexts(files, 'LokiError', { code: 0, text: 1 });
  const startErrors = errorTexts(files, 'ConfigError', { text: 0 });
  if (requestErrors.length < 150 || startErrors.length < 30) throw new Error('texts of errors are missing');
  const codes = Object.keys(errors) as ErrorCode[];
  const unknown = requestErrors.filter(({ code: each }) => !Object.hasOwn(errors, each) && each !== '…');
  if (unknown.length > 0) throw new Error(`no code of the catalogue: ${JSON.stringify(unknown)}`);
  return [
    opening(
      'Errors',
      `Each failure that a client sees has a code of [the catalogue](../../libs/words/model/src/errors.ts), which says its status for HTTP and
gRPC. Texts are Loki’s wherever Loki has them. \`…\` stands for names, sizes, times and causes that the text has in that place.`,
    ),
    catalogue(codes),
    reasonTable(files),
    ...codes.map((each) => textsOf(each, requestErrors)).filter((text) => text !== ''),
    textTable(
      'Texts: codes from elsewhere',
      'The code is that of an error that is passed on, or of an answer of another process.',
      requestErrors.filter(({ code: each }) => each === '…'),
    ),
    textTable(
      'Texts: the start is refused',
      'Faults of the configuration, of flags and of overrides. The process ends with exit code 1, or 2 for an unknown flag.',
      startErrors,
    ),
  ].join('\n');
}

function catalogue(codes: readonly ErrorCode[]): string {
  const rows = codes.map((each) => {
    const { http, grpc, retryable } = errors[each];
    return [code(each), String(http), code(grpc), retryable ? 'yes' : 'no'];
  });
  return `## Codes\n\n*again*: the same request may succeed later, unchanged.\n\n${table(['code', 'HTTP', 'gRPC', 'again'], rows)}\n`;
}

function reasonTable(files: ReadonlyMap<string, ProductFile>): string {
  const rows = (Object.entries(reasons) as [DiscardReason, ReasonSpec][]).map(
    ([reason, { status, rule }]) => {
      const places = filesWithText(files, 'libs/roles/distributor/', reason);
      if (places.length === 0) throw new Error(`nothing refuses entries for ${reason}`);
      return [code(reason), status, rule, places.map((file) => link(file)).join(', ')];
    },
  );
  return `## Refused entries

Values of the label \`reason\` of \`loki_discarded_samples_total\` and \`loki_discarded_bytes_total\`. The rest of a push is stored. The answer
has the text of each refused entry, those of one text counted together.

${table(['reason', 'HTTP', 'rule', 'refused in'], rows)}
`;
}

function textsOf(each: ErrorCode, all: readonly ErrorText[]): string {
  const own = all.filter((text) => text.code === each);
  return own.length === 0 ? '' : textTable(`Texts: ${each}`, '', own);
}

function textTable(title: string, text: string, own: readonly ErrorText[]): string {
  const files = Map.groupBy(own, (each) => each.text);
  const rows = [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([errorText, places]) => [code(errorText), places.map(({ file }) => link(file)).join(', ')]);
  return `## ${title}\n\n${text === '' ? '' : `${cell(text)}\n\n`}${table(['text', 'made in'], rows)}\n`;
}
