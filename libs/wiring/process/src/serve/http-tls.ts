/** TLS of the HTTP ports, from the configuration. */
import fs from 'node:fs';
import type { TlsServerConfig } from '@loki/config';
import type { HttpTls } from '@loki/http';

/** Go's names of client authentication, by whether a certificate is requested. */
const clientAuthTypes: ReadonlyMap<string, 'none' | 'optional' | 'required'> = new Map([
  ['NoClientCert', 'none'],
  // The certificate would not be used.
  ['RequestClientCert', 'none'],
  // An unverified certificate proves nothing, so requiring one means verifying it.
  ['RequireAnyClientCert', 'required'],
  ['VerifyClientCertIfGiven', 'optional'],
  ['RequireAndVerifyClientCert', 'required'],
]);

/**
 * TLS of `server.http_tls_config`; undefined: plain text.
 *
 * @throws when it is contradictory, or names a file that cannot be read
 */
export function httpTls(config: TlsServerConfig): HttpTls | undefined {
  const read = (file: string, inline: string) => (file === '' ? inline : fs.readFileSync(file));
  const cert = read(config.certFile, config.cert);
  const key = read(config.keyFile, config.key);
  const ca = read(config.clientCaFile, config.clientCa);
  if (cert.length === 0 && key.length === 0) return undefined;
  if (cert.length === 0 || key.length === 0) {
    throw new Error('server.http_tls_config: a certificate and its key go together');
  }
  // An authority is configured in order to verify clients.
  const type = config.clientAuthType || (ca.length > 0 ? 'RequireAndVerifyClientCert' : 'NoClientCert');
  const clientAuth = clientAuthTypes.get(type);
  if (clientAuth === undefined) {
    const names = [...clientAuthTypes.keys()].join(', ');
    throw new Error(`server.http_tls_config: client_auth_type ${type} is none of ${names}`);
  }
  const versions = config.minVersion === undefined ? {} : { minVersion: config.minVersion };
  if (clientAuth === 'none') return { cert, key, ...versions };
  if (ca.length === 0) {
    throw new Error(`server.http_tls_config: client_auth_type ${type} needs client_ca_file`);
  }
  return { cert, key, ...versions, client: { ca, isRequired: clientAuth === 'required' } };
}
