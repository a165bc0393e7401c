/** Exports of the real services for other tools. */
export { Daemon } from './daemon.ts';
export { installJars, KafkaBrokers, kafkaLacks } from './kafka.ts';
export { Link } from './link.ts';
export type { Protocol, Weather } from './link.ts';
export { findMinio, makeBucket, minioPassword, minioUser, startMinio } from './minio.ts';
export type { RunningMinio } from './minio.ts';
export { PushAnswers } from './protocols.ts';
export { findRedis, startRedis } from './redis.ts';
export type { RunningRedis } from './redis.ts';
export { serviceNames, servicesCache, startServices } from './services.ts';
export type { ServiceName, Services } from './services.ts';
