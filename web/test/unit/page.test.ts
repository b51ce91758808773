import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Landed, QuestionKind } from '@nimaora/client';
import { hits, scored } from '../../arena/src/feed.js';
import { battleOf, EXAMPLES } from '../../arena/src/quiz.js';
import { hrefOf, parseRoute, type Route } from '../../arena/src/route.js';
import { say } from '../../arena/src/say.js';
import { clock } from '../../arena/src/times.js';
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

test('who scores is read from two boards', () => {
  const line = (rank: number, username: string, points: number) => ({
    rank,
    username,
    points,
    participantId: username,
  });
  const before = { asOf: 1n, total: 3, lines: [line(1, 'ada', 20), line(2, 'linus', 20), line(3, 'grace', 5)] };
  const after = { asOf: 2n, total: 3, lines: [line(1, 'linus', 30), line(2, 'ada', 15), line(3, 'ken', 9)] };
  assert.deepEqual(
    scored(before, after).map(({ text }) => text),
    ['linus scores 10 and takes the lead'],
  );
});

test('attacks are told the newest first, and how many of a burst are not', () => {
  const attack = (target: string, blocked: boolean): Landed => ({
    attackerId: 'a',
    attacker: 'ada',
    targetId: 't',
    target,
    blocked,
    pointsLost: blocked ? 0 : 5,
    attackedAtMs: 0,
    eventId: `${target}${blocked}`,
    position: 1n,
  });
  const told = (attacks: Landed[], leftOut: number) => hits(attacks, leftOut).map(({ text }) => text);
  assert.deepEqual(told([attack('linus', false), attack('grace', true), attack('', false)], 7), [
    'ada hits somebody: −5',
    'A shield of grace stops ada',
    'ada hits linus: −5',
    'and 7 more attacks',
  ]);
  assert.deepEqual(told([attack('linus', false)], 0), ['ada hits linus: −5']);
});

test('a form becomes a battle', () => {
  const { questions } = battleOf('x', EXAMPLES);
  assert.deepEqual(questions?.[0]?.choices, ['Venus', 'Mercury', 'Mars']);
  assert.deepEqual(
    questions?.map(({ kind }) => kind),
    [QuestionKind.CHOICE, QuestionKind.NUMBER, QuestionKind.TEXT],
  );
  const inTurn = battleOf('x', EXAMPLES, 20).questions;
  assert.deepEqual(
    inTurn?.map(({ opensAfterMs, answeringTimeMs }) => [opensAfterMs, answeringTimeMs]),
    [
      [0n, 20_000n],
      [20_000n, 20_000n],
      [40_000n, 20_000n],
    ],
  );
});

test('a place is said as people say it', () => {
  const places = [1, 2, 3, 4, 11, 21, 112, 1_003].map((rank) => say.place(rank, 20_000));
  assert.deepEqual(
    places.map((place) => place.split(' ')[0]),
    ['1st', '2nd', '3rd', '4th', '11th', '21st', '112th', '1,003rd'],
  );
  assert.equal(say.place(3, 20_000), '3rd of 20,000');
});

test('a clock shows what is left as people read it', () => {
  assert.deepEqual([0, 9, 61, 3_599, 3_661, 90_061].map(clock), [
    '0:00',
    '0:09',
    '1:01',
    '59:59',
    '1:01:01',
    '1 d 1 h',
  ]);
});

test('a name that is written from right to left turns nothing around it', () => {
  assert.equal(say.named('ada 🏹'), 'ada 🏹');
  assert.equal(say.named('نور'), '\u2068نور\u2069');
});
