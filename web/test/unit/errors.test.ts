import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { NimaoraError } from '../../client/src/errors.js';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from '../../client/src/gen/google/rpc/error_details_pb.js';

test('an error says why, and when to come again', () => {
  const thrown = new ConnectError('busy', Code.ResourceExhausted, undefined, [
    { desc: ErrorInfoSchema, value: { reason: 'OVERLOADED', domain: 'nimaora' } },
    { desc: RetryInfoSchema, value: { retryDelay: { seconds: 1n, nanos: 500_000_000 } } },
  ]);
  const error = NimaoraError.from(thrown);
  assert.deepEqual(
    [error.message, error.code, error.reason, error.retryable, error.retryAfterMs],
    ['busy', Code.ResourceExhausted, 'OVERLOADED', true, 1_500],
  );
});

test('a refusal names the fields', () => {
  const thrown = new ConnectError('bad', Code.InvalidArgument, undefined, [
    { desc: BadRequestSchema, value: { fieldViolations: [{ field: 'username', description: 'it is empty' }] } },
  ]);
  const error = NimaoraError.from(thrown);
  assert.deepEqual(error.violations, [{ field: 'username', description: 'it is empty' }]);
  assert.equal(error.retryable, false);
});

test('no answer is told apart from a wrong one', () => {
  const error = NimaoraError.from(new TypeError('Failed to fetch'));
  assert.deepEqual([error.reason, error.code, error.retryable], ['UNREACHABLE', Code.Unavailable, true]);
});

test('an error of ours stays what it is', () => {
  const error = new NimaoraError('x', { code: Code.Internal, reason: 'Y', retryable: false });
  assert.equal(NimaoraError.from(error), error);
});
