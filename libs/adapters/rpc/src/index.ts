/** gRPC between our processes: servers and clients of the calls in @loki/ports, and Loki's push call. */
export { ChannelPool } from './channel-pool.ts';
export { RpcChannel, rpcMessageBytesMax } from './rpc-channel.ts';
export { serveFrontend } from './frontend-server.ts';
export type { QuerierSlot } from './frontend-server.ts';
export { IngesterClient, serveIngester } from './ingester-rpc.ts';
export { serveStreamLimits, StreamLimitsClient } from './stream-limit-rpc.ts';
export { PatternsClient, servePatterns } from './patterns-rpc.ts';
export { PushClient } from './push-client.ts';
export { servePushes } from './push-server.ts';
export { servePusher } from './pusher.ts';
export { QuerierWorker } from './querier-worker.ts';
export { RouteClient, serveRoutes } from './route-rpc.ts';
export { RulerClient, serveRuler } from './ruler-rpc.ts';
export { JoinedRingStore, serveRingStore } from './ring-rpc.ts';
export { RpcServer } from './rpc-server.ts';
