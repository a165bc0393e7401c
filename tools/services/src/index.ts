export { Daemon } from './daemon.ts';
export { KafkaBrokers, kafkaLacks } from './kafka.ts';
export { findMinio, makeBucket, minioPassword, minioUser, startMinio } from './minio.ts';
export type { RunningMinio } from './minio.ts';
export { findRedis, startRedis } from './redis.ts';
export type { RunningRedis } from './redis.ts';
export { serviceNames, servicesCache, startServices } from './services.ts';
export type { ServiceName, Services } from './services.ts';
