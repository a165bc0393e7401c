import { hash, timingSafeEqual } from 'node:crypto';
import { ResponderBuilder, ServerInterceptingCall, ServerListenerBuilder, status } from '@grpc/grpc-js';
import type { Metadata, ServerInterceptor } from '@grpc/grpc-js';
import { LokiError } from '@loki/model';
import { statusObjectOf } from './status.ts';

/** A token that all processes of one system share: who has it not is answered by the health service alone. */
const tokenKey = 'authorization';
const scheme = 'Bearer ';
/** Probes of an orchestrator know no token, and learn nothing but whether the process serves. */
const openPrefix = '/grpc.health.v1.Health/';

export function addToken(metadata: Metadata, token: string): void {
  if (token !== '') metadata.set(tokenKey, scheme + token);
}

/** Refuses calls without the token before a handler, or a message, is looked at. */
export function tokenInterceptor(token: string): ServerInterceptor {
  const expected = digest(scheme + token);
  return (method, call) => {
    if (method.path.startsWith(openPrefix)) return new ServerInterceptingCall(call);
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const [given] = metadata.get(tokenKey);
        if (typeof given === 'string' && timingSafeEqual(digest(given), expected)) next(metadata);
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

/** Of equal length whatever was sent, as a comparison in constant time needs. */
function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
