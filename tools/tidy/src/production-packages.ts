/**
 * Packages of the registry that released processes may load, each with its work. A new one needs a reason
 * that a hundred lines of ours cannot serve, and a licence of the kinds MIT, BSD, ISC or Apache-2.0.
 */
export const productionPackages: ReadonlyMap<string, string> = new Map([
  ['@bufbuild/protobuf', 'protobuf wire format of generated messages'],
  ['@grpc/grpc-js', 'gRPC between processes'],
  ['@grpc/reflection', 'gRPC reflection for operators'],
  ['@opentelemetry/api', 'spans'],
  ['@opentelemetry/context-async-hooks', 'spans follow async calls'],
  ['@opentelemetry/core', 'W3C trace headers'],
  ['@opentelemetry/exporter-trace-otlp-proto', 'sends spans'],
  ['@opentelemetry/resources', 'names the process that made a span'],
  ['@opentelemetry/sdk-trace', 'collects spans'],
  ['grpc-health-check', 'gRPC health service'],
  ['ioredis', 'ring in Redis'],
  ['kafkajs', 'connections, TLS, SASL and administration of Kafka'],
  ['minio', 'S3'],
  ['pino', 'logs as lines of JSON'],
  ['prom-client', 'metrics'],
  ['re2js', 'syntax of RE2'],
  ['snappy', 'compressed remote write'],
  ['ws', 'WebSockets of live tails'],
  ['xxhash-wasm', 'hashes of streams'],
  ['yaml', 'configuration and rules'],
]);
