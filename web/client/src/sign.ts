// Asks the server to sign a channel for a socket.

import { Code } from '@connectrpc/connect';
import type { ChannelAuthorizationData } from 'pusher-js/types/src/core/auth/options.js';
import { NimaoraError } from './errors.js';

/** How long an answer may take, in milliseconds. */
const SIGN_TIMEOUT_MS = 10_000;

/** Which channel, for which socket and for whom. */
export interface SignWish {
  readonly socketId: string;
  readonly channelName: string;
  readonly token: string;
  /** The position of the last alert that was heard; without it all recent ones are told. */
  readonly after: bigint | undefined;
}

/** What the socket is to be told. */
export async function sign(baseUrl: string, wish: SignWish): Promise<ChannelAuthorizationData> {
  const form = new URLSearchParams({ socket_id: wish.socketId, channel_name: wish.channelName });
  if (wish.after !== undefined) form.set('after', wish.after.toString());
  let answer: Response;
  try {
    answer = await fetch(`${baseUrl}/broadcasting/auth`, {
      method: 'POST',
      headers: { authorization: `Bearer ${wish.token}` },
      body: form,
      signal: AbortSignal.timeout(SIGN_TIMEOUT_MS),
    });
  } catch (cause) {
    throw new NimaoraError('the server cannot be reached', {
      code: Code.Unavailable,
      reason: 'UNREACHABLE',
      retryable: true,
      cause,
    });
  }
  if (answer.ok) return (await answer.json()) as ChannelAuthorizationData;
  const text = await answer.text();
  throw new NimaoraError(`the channel ${wish.channelName} was refused: ${text}`, {
    code: codeOf(answer.status),
    reason: 'CHANNEL_REFUSED',
    retryable: answer.status === 408 || answer.status === 429 || answer.status >= 500,
  });
}

function codeOf(status: number): Code {
  if (status === 401) return Code.Unauthenticated;
  if (status === 403) return Code.PermissionDenied;
  return status >= 500 ? Code.Unavailable : Code.InvalidArgument;
}
