/** The HTTP server of a process, its routes and its bounds. */
export { adminHandlers, tenantLimitsHandlers } from './admin.ts';
export { HttpServer } from './http-server.ts';
export type { HttpServerOptions, HttpTls } from './http-server-options.ts';
export { routes } from './routes.ts';
export type { RouteId, RouteSpec } from './routes.ts';
export { ServiceStates } from './service-states.ts';
export { tenantHeader, TenantResolver } from './tenant-resolver.ts';
export type { UpgradeHandler } from './web-sockets.ts';
