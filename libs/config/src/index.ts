export type {
  BlockedQuery,
  Limits,
  LimitsSource,
  OtlpAction,
  OtlpAttributesConfig,
  OtlpConfig,
  RetentionStream,
} from './limits.ts';
