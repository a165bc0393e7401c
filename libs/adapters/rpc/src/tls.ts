/** TLS of gRPC servers and channels. */
import fs from 'node:fs';
import type { SecureVersion } from 'node:tls';
import { credentials, ServerCredentials } from '@grpc/grpc-js';
import type { ChannelCredentials } from '@grpc/grpc-js';

/** Certificates as PEM texts or files; without a certificate the port is plain text. */
export interface ServerTls {
  readonly cert?: string;
  readonly key?: string;
  readonly clientCa?: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Clients must show a certificate of this authority when `clientAuthType` asks for one. */
  readonly clientCaFile: string;
  /**
   * Go's names: NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven,
   * RequireAndVerifyClientCert.
   */
  readonly clientAuthType: string;
  /** Absent: Node's default. */
  readonly minVersion?: SecureVersion;
}

export interface ClientTls {
  readonly enabled: boolean;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** '' : the host of the address. */
  readonly serverName: string;
  readonly insecureSkipVerify: boolean;
}

export function serverCredentials(tls: ServerTls): ServerCredentials {
  const read = (file: string, inline = '') => (file === '' ? Buffer.from(inline) : fs.readFileSync(file));
  const [certChain, privateKey] = [read(tls.certFile, tls.cert), read(tls.keyFile, tls.key)];
  if (certChain.length === 0 && privateKey.length === 0) return ServerCredentials.createInsecure();
  if (certChain.length === 0 || privateKey.length === 0) {
    throw new Error('grpc_tls_config: a certificate and its key go together');
  }
  const authorityText = read(tls.clientCaFile, tls.clientCa);
  const authority = authorityText.length === 0 ? null : authorityText;
  // A required certificate is also verified, because an unverified one proves nothing.
  const mustVerify =
    tls.clientAuthType.startsWith('Require') || (tls.clientAuthType === '' && authority !== null);
  if (mustVerify && authority === null) {
    throw new Error(`grpc_tls_config: client_auth_type ${tls.clientAuthType} needs client_ca_file`);
  }
  const secure = ServerCredentials.createSsl(
    authority,
    [{ cert_chain: certChain, private_key: privateKey }],
    mustVerify,
  );
  // createSsl takes no version; it passes this object to Node's TLS server.
  if (tls.minVersion !== undefined) {
    Object.assign(secure._getConstructorOptions()!, { minVersion: tls.minVersion });
  }
  return secure;
}

export function channelCredentials(tls: ClientTls | undefined): ChannelCredentials {
  if (!tls?.enabled) return credentials.createInsecure();
  const read = (file: string) => (file === '' ? null : fs.readFileSync(file));
  return credentials.createSsl(read(tls.caFile), read(tls.keyFile), read(tls.certFile), {
    rejectUnauthorized: !tls.insecureSkipVerify,
  });
}
