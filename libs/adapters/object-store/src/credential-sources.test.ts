/**
 * Protects the order in which S3 clients look for keys: another order would use keys that the operator did
 * not mean.
 */
import { credentialSource } from './credential-sources.ts';

const none = { accessKeyId: '', secretAccessKey: '', sessionToken: '' };
const key = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' };
const keys = { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: '' };
const pod = { AWS_WEB_IDENTITY_TOKEN_FILE: '/token', AWS_ROLE_ARN: 'arn:aws:iam::1:role/r' };
const task = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/x' };

const files: Readonly<Record<string, string>> = {
  '/home/a/.aws/credentials': [
    '# comment = 1',
    '[default]',
    'aws_access_key_id = d',
    'AWS_SECRET_ACCESS_KEY=ds==',
    '[ other ]',
    'aws_access_key_id=o',
    'aws_secret_access_key=os',
    'aws_session_token = t',
    '[half]',
    'aws_access_key_id=h',
  ].join('\r\n'),
};

const source = (env: Record<string, string>, { isAmazon = false, configured = none } = {}) =>
  credentialSource({ configured, env, readFile: (path) => files[path], isAmazon });

test('keys of the configuration come first, then those of the environment', () => {
  const configured = { ...none, accessKeyId: 'mine' };
  expect(source({ ...key, ...pod }, { configured })).toEqual({ keys: configured });
  expect(source({ ...key, ...pod })).toEqual({ keys });
  expect(source({ ...key, AWS_SESSION_TOKEN: 't' })).toEqual({ keys: { ...keys, sessionToken: 't' } });
  expect(source({ AWS_ACCESS_KEY_ID: 'id' })).toEqual({});
});

test('a web identity comes before a profile, and a profile before the role of a container', () => {
  const home = { HOME: '/home/a' };
  expect(source({ ...home, ...pod, ...task }).role?.kind).toBe('web identity');
  expect(source({ ...home, ...task })).toEqual({
    keys: { accessKeyId: 'd', secretAccessKey: 'ds==', sessionToken: '' },
  });
  expect(source({ HOME: '/home/b', ...task }).role?.kind).toBe('container');
});

test('a profile that is named has to have keys', () => {
  const home = { HOME: '/home/a' };
  expect(source({ ...home, AWS_PROFILE: 'other' })).toEqual({
    keys: { accessKeyId: 'o', secretAccessKey: 'os', sessionToken: 't' },
  });
  expect(() => source({ ...home, AWS_PROFILE: 'half' })).toThrow('has no keys of profile half');
  expect(() => source({ AWS_SHARED_CREDENTIALS_FILE: '/none', AWS_PROFILE: 'x' })).toThrow(
    '/none has no keys',
  );
});

test('a machine has a role where the server is one of Amazon, unless the environment says no', () => {
  expect(source({})).toEqual({});
  expect(source({}, { isAmazon: true })).toEqual({
    role: { kind: 'instance', service: 'http://169.254.169.254', isFirstVersionAllowed: true },
  });
  expect(source({ AWS_EC2_METADATA_DISABLED: 'true' }, { isAmazon: true })).toEqual({});
  expect(source({ AWS_EC2_METADATA_V1_DISABLED: 'TRUE' }, { isAmazon: true }).role).toMatchObject({
    isFirstVersionAllowed: false,
  });
});

test.each([
  [{}, 'https://sts.amazonaws.com/'],
  [{ AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'x' }, 'https://sts.eu-west-1.amazonaws.com/'],
  [{ AWS_DEFAULT_REGION: 'cn-north-1' }, 'https://sts.cn-north-1.amazonaws.com.cn/'],
  [{ AWS_ENDPOINT_URL_STS: 'http://sts:1', AWS_REGION: 'x' }, 'http://sts:1/'],
])('a web identity with %p is changed at %s', (env, service) => {
  expect(source({ ...pod, ...(env as Record<string, string>) }).role).toMatchObject({ service });
});

test.each([
  ['http://169.254.170.23/v1/credentials', true],
  ['http://[fd00:ec2::23]/v1/credentials', true],
  ['http://localhost:51679/get', true],
  ['http://127.8.9.1/get', true],
  ['https://elsewhere.example/get', true],
  ['http://elsewhere.example/get', false],
  ['http://127.0.0.1.example/get', false],
  ['no url', false],
])('a container may be told to ask %s: %p', (url, isTaken) => {
  const ask = () => source({ AWS_CONTAINER_CREDENTIALS_FULL_URI: url });
  if (isTaken) expect(ask().role).toMatchObject({ kind: 'container', url });
  else expect(ask).toThrow('AWS_CONTAINER_CREDENTIALS_FULL_URI');
});

test('the address of ECS stands before a relative path, and a token without a role is told', () => {
  expect(source(task).role).toMatchObject({ url: 'http://169.254.170.2/v2/x' });
  expect(() => source({ AWS_WEB_IDENTITY_TOKEN_FILE: '/token' })).toThrow('AWS_ROLE_ARN is not');
});
