/** The shared token of our processes, checked before every call. */
import { hash, timingSafeEqual } from 'node:crypto';
import { ResponderBuilder, ServerInterceptingCall, ServerListenerBuilder, status } from '@grpc/grpc-js';
import type { Metadata, ServerInterceptor } from '@grpc/grpc-js';
import { LokiError } from '@loki/model';
import { statusObjectOf } from './status.ts';

/**
 * Metadata key of the token that all processes of a system share. Callers without it can only use the health
 * service.
 */
const tokenKey = 'authorization';
const scheme = 'Bearer ';
/** Health probes of orchestrators have no token; they only learn whether the process serves. */
const openPrefix = '/grpc.health.v1.Health/';

export function addToken(metadata: Metadata, token: string): void {
  if (token !== '') metadata.set(tokenKey, scheme + token);
}

/** Refuses calls without the token, before a message is read. */
export function tokenInterceptor(token: string): ServerInterceptor {
  const expected = digest(scheme + token);
  return (method, call) => {
    if (method.path.startsWith(openPrefix)) return new ServerInterceptingCall(call);
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const [callToken] = metadata.get(tokenKey);
        if (typeof callToken === 'string' && timingSafeEqual(digest(callToken), expected)) next(metadata);
        else call.sendStatus(refusal());
      })
      .build();
    const responder = new ResponderBuilder().withStart((next) => next(listener)).build();
    return new ServerInterceptingCall(call, responder);
  };
}

function refusal() {
  const error = new LokiError(
    'forbidden',
    'the call has no token, or another one: server.grpc_auth_token must be the same in all processes',
  );
  return { ...statusObjectOf(error), code: status.UNAUTHENTICATED };
}

/** A digest, because a comparison in constant time needs equal lengths. */
function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
