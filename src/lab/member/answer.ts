import { messageOf } from '../../util/errors.js';
import type { MemberHandlers, MemberMessage, MemberRequest } from './protocol.js';

/** Calls the handler of one request and sends its reply; never rejects. */
export async function answer(name: string, handlers: MemberHandlers, request: MemberRequest, send: (message: MemberMessage) => void): Promise<void> {
  const handler = handlers[request.method] as ((params: unknown) => unknown) | undefined;
  try {
    if (handler === undefined) throw new Error(`${name} has no method ${request.method}`);
    send({ kind: 'reply', id: request.id, result: (await handler(request.params)) ?? null });
  } catch (error) {
    send({ kind: 'reply', id: request.id, error: messageOf(error) });
  }
}
