import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QuestionKind } from '@nimaora/client';
import { movesBetween } from '../../arena/src/moves.js';
import { battleOf, EXAMPLES } from '../../arena/src/quiz.js';
import { hrefOf, parseRoute, type Route } from '../../arena/src/route.js';
import { readSession, writeSession } from '../../client/src/session.js';

test('every page has an address, and any other address is home', () => {
  const routes: Route[] = [
    { page: 'home' },
    { page: 'host' },
    { page: 'battle', battle: 'K7 Q/%' },
    { page: 'watch', battle: 'abc' },
  ];
  for (const route of routes) assert.deepEqual(parseRoute(hrefOf(route)), route);
  for (const hash of ['', '#', '#/', '#/battle', '#/battle/', '#/nowhere/x', '#/battle/%']) {
    assert.deepEqual(parseRoute(hash), { page: 'home' }, hash);
  }
});

test('a session is read as it was written, and nothing else is', () => {
  const session = { battleId: 'b', participantId: 'p', username: 'ada', token: 't', expiresAtMs: 1 };
  assert.deepEqual(readSession(writeSession(session)), session);
  for (const text of [null, '', '{', '[]', 'null', '{"battleId":"b"}', '{"token":1}']) {
    assert.equal(readSession(text), undefined, String(text));
  }
});

test('who rises and who is hit is read from two boards', () => {
  const line = (rank: number, username: string, points: number) => ({
    rank,
    username,
    points,
    participantId: username,
  });
  const before = { asOf: 1n, total: 3, lines: [line(1, 'ada', 20), line(2, 'linus', 20), line(3, 'grace', 5)] };
  const after = { asOf: 2n, total: 3, lines: [line(1, 'linus', 30), line(2, 'ada', 15), line(3, 'ken', 9)] };
  assert.deepEqual(
    movesBetween(before, after).map(({ text }) => text),
    ['linus scores 10 and takes the lead', 'ada is hit and loses 5'],
  );
});

test('a form becomes a battle', () => {
  const { questions } = battleOf('x', EXAMPLES);
  assert.deepEqual(questions?.[0]?.choices, ['Venus', 'Mercury', 'Mars']);
  assert.deepEqual(
    questions?.map(({ kind }) => kind),
    [QuestionKind.CHOICE, QuestionKind.NUMBER, QuestionKind.TEXT],
  );
});
