/** Makes certificates for tests by openssl. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const days = ['-days', '2'];

/**
 * Makes `NAME.crt` and `NAME.key` of each name in the directory, for localhost and 127.0.0.1, signed by
 * `AUTHORITY.crt`, which is made if absent. Uses openssl, and throws where it is missing.
 */
export function certify(directory: string, authority: string, names: readonly string[]): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  const request = (name: string, ...more: string[]): void => {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-subj', `/CN=${name}`, ...more);
  };
  fs.mkdirSync(directory, { recursive: true });
  if (!fs.existsSync(path.join(directory, `${authority}.crt`))) {
    request(authority, '-x509', '-out', `${authority}.crt`, ...days);
  }
  fs.writeFileSync(path.join(directory, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  const by = ['-CA', `${authority}.crt`, '-CAkey', `${authority}.key`, '-CAcreateserial', ...days];
  for (const name of names) {
    request(name, '-out', `${name}.csr`);
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, '-extfile', 'names', ...by);
  }
}
