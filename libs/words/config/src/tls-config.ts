/** The types of the configuration of TLS, for servers and clients. */

/** Neither `cert` nor `certFile`: plain text. */
export interface TlsServerConfig {
  /** PEM in the configuration itself, in place of files. */
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
  readonly clientAuthType: string;
  /** Absent: Node's own, which is TLS 1.2. */
  readonly minVersion?: TlsVersion;
}

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** TLS of calls to other servers, by paths of PEM files. */
export interface TlsClientConfig {
  readonly enabled: boolean;
  /** '' : the client shows no certificate. */
  readonly certFile: string;
  readonly keyFile: string;
  /** '' : the system's authorities. */
  readonly caFile: string;
  /** '' : the host of the address. */
  readonly serverName: string;
  readonly insecureSkipVerify: boolean;
}
