/** Generated service methods in the form of grpc-js. */
import type { MethodDefinition } from '@grpc/grpc-js';
import { encodeMessage } from '@loki/proto';
import type { MessageType } from '@loki/proto';

/** The generated description of a method. */
interface GeneratedMethod<Request, Response> {
  readonly name: string;
  readonly requestType: MessageType<Request>;
  readonly requestStream: boolean;
  readonly responseType: MessageType<Response>;
  readonly responseStream: boolean;
}

interface GeneratedService {
  readonly fullName: string;
}

/** The method definition for grpc-js. */
export function rpcMethod<Request, Response>(
  service: GeneratedService,
  method: GeneratedMethod<Request, Response>,
): MethodDefinition<Request, Response> {
  const { requestType, responseType } = method;
  return {
    path: `/${service.fullName}/${method.name}`,
    originalName: method.name,
    requestStream: method.requestStream,
    responseStream: method.responseStream,
    requestSerialize: (message) => encodeMessage(requestType, message),
    requestDeserialize: (bytes) => requestType.decode(bytes),
    responseSerialize: (message) => encodeMessage(responseType, message),
    responseDeserialize: (bytes) => responseType.decode(bytes),
  };
}
