/** Command line and environment of one process of the development cluster. */
import path from 'node:path';
import type { ServiceVariables } from './dev-services.ts';
import type { Member } from './members.ts';

export const root = path.resolve(import.meta.dirname, '../../..');
export const defaultData = path.join(root, 'data/dev');
export const defaultPort = 3100;

/** The start of a process of development: its arguments and its environment. */
export function devCommand(
  member: Member,
  data: string,
  services: ServiceVariables,
): { args: readonly string[]; env: Readonly<Record<string, string>> } {
  const isAlone = member.app === 'loki';
  return {
    args: ['-config.file=deploy/dev/loki.yaml', '-config.expand-env=true'],
    env: {
      ...(isAlone
        ? { LOKI_RING_STORE: 'inmemory', LOKI_WRITE_LOG: 'embedded', LOKI_REPLICATION_FACTOR: '1' }
        : services),
      // It stores its data alone: the others know nothing of its log.
      LOKI_DATA: isAlone ? path.join(data, 'alone') : data,
      LOKI_INSTANCE: member.name,
      LOKI_ZONE: member.zone,
      LOKI_HTTP_PORT: String(member.httpPort),
      LOKI_GRPC_PORT: String(member.grpcPort),
    },
  };
}
