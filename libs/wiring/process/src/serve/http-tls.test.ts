/** Protects operators from a port that is open in another way than their configuration says. */
import { httpTls } from './http-tls.ts';

const plain = {
  cert: '',
  key: '',
  clientCa: '',
  certFile: '',
  keyFile: '',
  clientCaFile: '',
  clientAuthType: '',
};

test('without a certificate it is plain text', () => {
  expect(httpTls(plain)).toBeUndefined();
});

test.each([
  [{}, undefined],
  [{ clientCa: 'ca' }, { ca: 'ca', isRequired: true }],
  [{ clientCa: 'ca', clientAuthType: 'NoClientCert' }, undefined],
  [
    { clientCa: 'ca', clientAuthType: 'VerifyClientCertIfGiven' },
    { ca: 'ca', isRequired: false },
  ],
  [
    { clientCa: 'ca', clientAuthType: 'RequireAnyClientCert' },
    { ca: 'ca', isRequired: true },
  ],
])('%j asks clients for %j', (given, client) => {
  expect(httpTls({ ...plain, cert: 'c', key: 'k', ...given })).toEqual({
    cert: 'c',
    key: 'k',
    ...(client ? { client } : {}),
  });
});

test.each([{}, { clientCa: 'ca' }])(
  'the lowest version of TLS is that of the configuration (%j)',
  (given) => {
    expect(httpTls({ ...plain, cert: 'c', key: 'k', minVersion: 'TLSv1.3', ...given })).toMatchObject({
      minVersion: 'TLSv1.3',
    });
  },
);

test.each([
  [{ cert: 'c' }, 'go together'],
  [{ key: 'k' }, 'go together'],
  [{ cert: 'c', key: 'k', clientAuthType: 'RequireAndVerifyClientCert' }, 'needs client_ca_file'],
  [{ cert: 'c', key: 'k', clientAuthType: 'Maybe' }, 'client_auth_type Maybe is none of'],
  [{ certFile: '/nowhere', key: 'k' }, 'ENOENT'],
])('%j is refused: %s', (given, text) => {
  expect(() => httpTls({ ...plain, ...given })).toThrow(text);
});
