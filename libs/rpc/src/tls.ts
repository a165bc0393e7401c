import fs from 'node:fs';
import { credentials, ServerCredentials } from '@grpc/grpc-js';
import type { ChannelCredentials } from '@grpc/grpc-js';

/** PEM files; an empty `certFile` means plain text. */
export interface ServerTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** Clients must show a certificate of this authority when `clientAuthType` asks for one. */
  readonly clientCaFile: string;
  /** Go's names: NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert. */
  readonly clientAuthType: string;
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
  if (tls.certFile === '') return ServerCredentials.createInsecure();
  const authority = tls.clientCaFile === '' ? null : fs.readFileSync(tls.clientCaFile);
  // A certificate that nobody verifies proves nothing, so to require one is to verify it.
  const mustVerify =
    tls.clientAuthType.startsWith('Require') || (tls.clientAuthType === '' && authority !== null);
  if (mustVerify && authority === null) {
    throw new Error(`grpc_tls_config: client_auth_type ${tls.clientAuthType} needs client_ca_file`);
  }
  return ServerCredentials.createSsl(
    authority,
    [{ cert_chain: fs.readFileSync(tls.certFile), private_key: fs.readFileSync(tls.keyFile) }],
    mustVerify,
  );
}

export function channelCredentials(tls: ClientTls | undefined): ChannelCredentials {
  if (!tls?.enabled) return credentials.createInsecure();
  const read = (file: string) => (file === '' ? null : fs.readFileSync(file));
  return credentials.createSsl(read(tls.caFile), read(tls.keyFile), read(tls.certFile), {
    rejectUnauthorized: !tls.insecureSkipVerify,
  });
}
