/** Pages of a listing, as servers and their proxies answer. */
import type { FuzzTarget } from '@loki/test-tools';
import { parseListing } from './s3-answers.ts';

const pages = [
  '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a/</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated><NextContinuationToken>abc=</NextContinuationToken><Contents><Key>a/1</Key><LastModified>2026-01-15T12:30:00.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>12</Size><StorageClass>STANDARD</StorageClass></Contents><Contents><Key>a%2F2+b</Key><Size>0</Size></Contents></ListBucketResult>',
  '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
];

export const targets: readonly FuzzTarget[] = [
  {
    name: 's3-listing',
    shape: 'text',
    corpus: () => pages,
    words: ['<Contents>', '</Contents>', '<Key>', '</Key>', '<Size>', '<!DOCTYPE a [<!ENTITY b "cccccccccc">]>', '&b;', '&amp;', '&#x41;', '&#1114112;', '<![CDATA[', ']]>', '%zz', '<IsTruncated>true</IsTruncated>', '99999999999999999999'],
    // An answer that is no page is a passing error: the page is requested again.
    isRefusal: (error) => error instanceof Error && error.message.startsWith('S3 listing: '),
    run: (input) => parseListing(input.toString()).objects.length,
  },
]; // prettier-ignore
