// gRPC-web: the two services, with the token in each call, a deadline on each attempt, and one kind of error.

import { type Client, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { ServerClock } from './clock.js';
import { CommandService } from './gen/nimaora/v1/command_service_pb.js';
import { QueryService } from './gen/nimaora/v1/query_service_pb.js';
import { newCommandId } from './id.js';
import { RETRY, type RetryPolicy, retrying } from './retry.js';

/** The longest that one attempt may take, in milliseconds. Then it counts as failed and is repeated. */
const ATTEMPT_TIMEOUT_MS = 10_000;

/** Where the server is, and how patient its client is. */
export interface Options {
  /** `https://battles.example.org`; a page that the server itself gave may leave it out. */
  readonly baseUrl?: string;
  /** The key of the Pusher application. */
  readonly appKey?: string;
  readonly retry?: RetryPolicy;
}

export type Commands = Client<typeof CommandService>;
export type Queries = Client<typeof QueryService>;

/** Both services for one bearer token, or for none. */
export class Calls {
  readonly baseUrl: string;
  readonly appKey: string;
  readonly #retry: RetryPolicy;
  readonly #token: (() => string) | undefined;
  readonly #commands: Commands;
  readonly #queries: Queries;
  readonly #options: Options;
  readonly #clock: ServerClock;

  constructor(options: Options, token?: () => string, clock = new ServerClock()) {
    this.#clock = clock;
    this.#options = options;
    this.baseUrl = (options.baseUrl ?? globalThis.location.origin).replace(/\/+$/, '');
    this.appKey = options.appKey ?? 'nimaora';
    this.#retry = options.retry ?? RETRY;
    this.#token = token;
    const transport: Transport = createGrpcWebTransport({
      baseUrl: this.baseUrl,
      defaultTimeoutMs: ATTEMPT_TIMEOUT_MS,
      interceptors: [this.#around],
    });
    this.#commands = createClient(CommandService, transport);
    this.#queries = createClient(QueryService, transport);
  }

  /** The same server, as somebody else. */
  as(token: () => string): Calls {
    return new Calls(this.#options, token, this.#clock);
  }

  /** The server's time in milliseconds since 1970, to half a second or better. */
  get serverNowMs(): number {
    return this.#clock.nowMs;
  }

  /** Carries a command out. Each attempt has the same command id, so that it happens once however often it is sent. */
  command<T>(call: (commands: Commands, commandId: string) => Promise<T>): Promise<T> {
    const commandId = newCommandId();
    return retrying(() => call(this.#commands, commandId), this.#retry);
  }

  /** Asks a question. */
  query<T>(call: (queries: Queries) => Promise<T>): Promise<T> {
    return retrying(() => call(this.#queries), this.#retry);
  }

  readonly #around: Interceptor = (next) => async (request) => {
    if (this.#token) request.header.set('authorization', `Bearer ${this.#token()}`);
    const asked = this.#clock.ownMs;
    const answer = await next(request);
    const date = Date.parse(answer.header.get('date') ?? '');
    if (!Number.isNaN(date)) this.#clock.heard(date, asked);
    return answer;
  };
}
