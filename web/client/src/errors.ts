// Everything that can go wrong, in one type. `reason` is for programs and stable, `message` is for people.

import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.js';

/** Why a call was refused. The server may know more reasons than this list, so that any text is one. */
export type Reason =
  | 'ALREADY_ANSWERED'
  | 'ANSWER_LATE'
  | 'ATTEMPTS_EXHAUSTED'
  | 'BATTLE_CANCELLED'
  | 'BATTLE_FINISHED'
  | 'BATTLE_FULL'
  | 'BATTLE_NOT_STARTED'
  | 'BATTLE_STARTED'
  | 'BATTLE_UNKNOWN'
  | 'COMMAND_ID_REUSED'
  | 'INVALID_COMMAND'
  | 'JOIN_CLOSED'
  | 'NOT_ALLOWED'
  | 'NO_ARROWS'
  | 'PARTICIPANT_LEFT'
  | 'PARTICIPANT_REMOVED'
  | 'PARTICIPANT_UNKNOWN'
  | 'QUESTION_NOT_OPEN'
  | 'QUESTION_UNKNOWN'
  | 'SESSION_REPLACED'
  | 'TARGET_INACTIVE'
  | 'TARGET_IS_ATTACKER'
  | 'TARGET_WITHOUT_POINTS'
  /** No answer came: the network or the server is away. */
  | 'UNREACHABLE'
  | 'USERNAME_TAKEN'
  | 'VERDICT_PENDING'
  | (string & {});

/** A part of a request that is malformed. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** A call that failed. */
export class NimaoraError extends Error {
  override readonly name = 'NimaoraError';
  /** The gRPC code. */
  readonly code: Code;
  readonly reason: Reason;
  /** Whether the same call, with the same command id, may succeed later. */
  readonly retryable: boolean;
  /** How long the server asks to wait before that, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  readonly violations: readonly FieldViolation[];

  constructor(
    message: string,
    what: {
      code: Code;
      reason: Reason;
      retryable: boolean;
      retryAfterMs?: number | undefined;
      violations?: readonly FieldViolation[];
      cause?: unknown;
    },
  ) {
    super(message, { cause: what.cause });
    this.code = what.code;
    this.reason = what.reason;
    this.retryable = what.retryable;
    this.retryAfterMs = what.retryAfterMs;
    this.violations = what.violations ?? [];
  }

  /** Whatever was thrown, as one of these. */
  static from(thrown: unknown): NimaoraError {
    if (thrown instanceof NimaoraError) return thrown;
    const error = ConnectError.from(thrown);
    const info = error.findDetails(ErrorInfoSchema)[0];
    const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
    const violations = error.findDetails(BadRequestSchema).flatMap((request) => request.fieldViolations);
    const lost = isUnreachable(thrown, error);
    const message = lost ? 'the server cannot be reached' : error.rawMessage;
    return new NimaoraError(message, {
      code: lost ? Code.Unavailable : error.code,
      reason: lost ? 'UNREACHABLE' : (info?.reason ?? ''),
      retryable: lost || RETRYABLE.has(error.code),
      retryAfterMs: delay ? Number(delay.seconds) * 1_000 + delay.nanos / 1_000_000 : undefined,
      violations: violations.map(({ field, description }) => ({ field, description })),
      cause: thrown,
    });
  }
}

/** What may pass by itself. A refusal by the rules is none of these. */
const RETRYABLE: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  Code.Aborted,
]);

/** `fetch` rejects with a TypeError when no answer came, and so does reading an answer that broke off. */
function isUnreachable(thrown: unknown, error: ConnectError): boolean {
  return thrown instanceof TypeError || error.cause instanceof TypeError;
}
