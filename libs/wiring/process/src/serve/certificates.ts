/** Metrics about the certificates of this process's servers. */
import { X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import type { Config, TlsServerConfig } from '@loki/config';
import { certificateExpiryMetric } from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';

/**
 * Reports when the certificates in use expire. They are read at the start, as servers do not read them again.
 *
 * @throws when a file cannot be read or is no certificate
 */
export function watchCertificates({ server }: Config, metrics: Metrics): void {
  for (const [name, config] of [
    ['http', server.httpTls],
    ['grpc', server.grpcTls],
  ] as const) {
    const pem = pemOf(config);
    if (pem.length > 0) certificateExpiryMetric(metrics, name, Date.parse(new X509Certificate(pem).validTo));
  }
}

function pemOf({ certFile, cert }: TlsServerConfig): string | Buffer {
  return certFile === '' ? cert : fs.readFileSync(certFile);
}
