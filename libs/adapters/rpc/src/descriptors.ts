/** The descriptors of our gRPC services, for reflection. */
import type { ReflectionService } from '@grpc/reflection';
import { fileDescriptorSet, WireCursor } from '@loki/proto';

type PackageDefinition = ConstructorParameters<typeof ReflectionService>[0];

/** Our .proto files in the form of the reflection service: one entry with all descriptors. */
export function fileDescriptors(): PackageDefinition {
  const set = Buffer.from(fileDescriptorSet, 'base64');
  const cursor = new WireCursor(set);
  const files: Buffer[] = [];
  while (cursor.at < set.length) {
    cursor.tag(set.length, 'FileDescriptorSet');
    const end = cursor.lengthEnd(set.length);
    files.push(set.subarray(cursor.at, end));
    cursor.at = end;
  }
  return {
    files: { format: 'Protocol Buffer 3 DescriptorProto', type: {}, fileDescriptorProtos: files },
  } as unknown as PackageDefinition;
}
