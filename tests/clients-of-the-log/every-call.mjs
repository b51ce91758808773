// What the official Node client gets from the event store: `node every-call.mjs URL BATTLE`. It ends with 0 if all is as it should be.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  ANY, BACKWARDS, END, KurrentDBClient, NO_STREAM, PARK, RETRY, SKIP, START, STREAM_EXISTS, binaryEvent,
  eventTypeFilter, excludeSystemEvents, jsonEvent, persistentSubscriptionToAllSettingsFromDefaults,
  persistentSubscriptionToStreamSettingsFromDefaults, streamNameFilter,
} from '@kurrent/kurrentdb-client';

const [url, battle] = process.argv.slice(2);
const client = KurrentDBClient.connectionString(url);
const [NAME, SHARED] = ['notes-node', 'shared-node'];
const note = (n) => jsonEvent({ type: 'Noted', data: { n }, metadata: { by: 'me' } });
const notes = (count) => Array.from({ length: count }, (_, n) => note(n));
const revisions = (events) => events.map(({ event }) => Number(event.revision));
const refused = (name, promise) => assert.rejects(promise, (error) => {
  assert.equal(error.constructor.name, name, `${error.constructor.name}: ${error.message}`);
  return true;
});

const all = async (read) => {
  const events = [];
  for await (const event of read) events.push(event);
  return events;
};

// The next so many events of a subscription.
const take = async (subscription, count) => {
  const events = [];
  for await (const event of subscription.iterator({ destroyOnReturn: false })) {
    events.push(event);
    if (events.length === count) return events;
  }
  throw new Error('the subscription ended');
};

async function appends() {
  // Without credentials of its own a call goes into the one batch that the client keeps open; with them it is a call by itself.
  const first = await client.appendToStream(NAME, [note(0), note(1)], { streamState: NO_STREAM });
  assert.equal(first.nextExpectedRevision, 1n);
  const alone = { credentials: { username: 'admin', password: new URL(url.replace('kurrentdb', 'http')).password } };
  const second = await client.appendToStream(NAME, note(2), { streamState: 1n, ...alone });
  assert.equal(second.nextExpectedRevision, 2n);
  assert.ok(second.position.commit > first.position.commit);
  const repeated = note(3);
  const once_ = await client.appendToStream(NAME, repeated, { streamState: 2n });
  const twice = await client.appendToStream(NAME, repeated, { streamState: 2n });
  assert.deepEqual(once_.position, twice.position);
  await refused('WrongExpectedVersionError', client.appendToStream(NAME, note(4), { streamState: NO_STREAM }));
  await refused(
    'WrongExpectedVersionError',
    client.appendToStream(NAME, note(4), { streamState: 9n, ...alone }),
  );
  await refused('AccessDeniedError', client.appendToStream(battle, note(4), { streamState: ANY }));
  await client.appendToStream('drawings', binaryEvent({ type: 'Drawn', data: Buffer.from([0, 1]) }));
  await Promise.all(notes(50).map((event) => client.appendToStream('crowd', event, { streamState: ANY })));
}

async function reads() {
  assert.deepEqual(revisions(await all(client.readStream(NAME))), [0, 1, 2, 3]);
  const back = client.readStream(NAME, { direction: BACKWARDS, fromRevision: END, maxCount: 2 });
  assert.deepEqual(revisions(await all(back)), [3, 2]);
  assert.equal((await all(client.readStream('crowd'))).length, 50);
  const [{ event }] = await all(client.readStream('drawings'));
  assert.deepEqual([event.isJson, ...event.data], [false, 0, 1]);
  await refused('StreamNotFoundError', all(client.readStream('nothing')));
  const filters = [
    [streamNameFilter({ prefixes: ['battle-'] }), (event) => event.streamId === battle],
    [streamNameFilter({ regex: '^(?!battle-)' }), (event) => !event.streamId.startsWith('battle-')],
    [eventTypeFilter({ prefixes: ['Not', 'Dr'] }), (event) => ['Noted', 'Drawn'].includes(event.type)],
    [excludeSystemEvents(), (event) => !event.type.startsWith('$')],
  ];
  for (const [filter, like] of filters) {
    const events = await all(client.readAll({ filter, maxCount: 100 }));
    assert.ok(events.length > 0 && events.every(({ event }) => like(event)));
  }
}

async function subscribes() {
  const stream = client.subscribeToStream(NAME, { fromRevision: 1n });
  assert.deepEqual(revisions(await take(stream, 2)), [2, 3]);
  await client.appendToStream(NAME, note(4));
  assert.deepEqual(revisions(await take(stream, 1)), [4]);
  await stream.unsubscribe();

  let reached;
  const checkpointReached = async (_, position) => { reached = position; };
  const filter = streamNameFilter({ prefixes: [NAME], checkpointInterval: 1, checkpointReached });
  const following = client.subscribeToAll({ fromPosition: START, filter });
  const caughtUp = once(following, 'caughtUp');
  const seen = await take(following, 5);
  await caughtUp;
  await following.unsubscribe();
  assert.deepEqual(revisions(seen), [0, 1, 2, 3, 4]);
  assert.ok(reached, 'a checkpoint was reached');
  const resumed = client.subscribeToAll({ fromPosition: seen[3].event.position, filter });
  assert.deepEqual(revisions(await take(resumed, 1)), [4]);
  await resumed.unsubscribe();
}

async function deletes() {
  await refused('WrongExpectedVersionError', client.deleteStream(NAME, { expectedRevision: 0n }));
  await client.deleteStream(NAME, { expectedRevision: 4n });
  await refused('StreamNotFoundError', all(client.readStream(NAME)));
  await client.appendToStream(NAME, note(5), { streamState: NO_STREAM });
  assert.deepEqual(revisions(await all(client.readStream(NAME))), [5]);
  const { metadata } = await client.getStreamMetadata(NAME);
  assert.equal(metadata.truncateBefore, 5);
  await client.setStreamMetadata(NAME, { maxCount: 1, owner: 'me' });
  await client.appendToStream(NAME, note(6));
  assert.deepEqual(revisions(await all(client.readStream(NAME))), [6]);
  assert.equal((await client.getStreamMetadata(NAME)).metadata.owner, 'me');

  await client.tombstoneStream(NAME, { expectedRevision: 6n });
  await refused('StreamDeletedError', all(client.readStream(NAME)));
  await refused('StreamDeletedError', client.appendToStream(NAME, note(7), { streamState: STREAM_EXISTS }));
}

async function shares() {
  const settings = persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START, maxSubscriberCount: 1 });
  await client.createPersistentSubscriptionToStream(SHARED, 'readers', settings);
  await refused(
    'PersistentSubscriptionExistsError',
    client.createPersistentSubscriptionToStream(SHARED, 'readers', settings),
  );
  await client.appendToStream(SHARED, notes(4));
  const consumer = client.subscribeToPersistentSubscriptionToStream(SHARED, 'readers');
  const said = [];
  let parked = false;
  for await (const event of consumer.iterator({ destroyOnReturn: false })) {
    const number = Number(event.event.revision);
    said.push([number, event.retryCount]);
    if (number === 0 && !parked) {
      parked = true;
      await consumer.nack(PARK, 'not today', event);
    } else if (number === 1) {
      await consumer.nack(SKIP, 'never', event);
    } else if (number === 2 && event.retryCount === 0) {
      await consumer.nack(RETRY, 'again', event);
    } else {
      await consumer.ack(event);
    }
    if (said.length === 5) await client.replayParkedMessagesToStream(SHARED, 'readers');
    if (said.length === 6) break;
  }
  assert.deepEqual(said.at(-1), [0, 0]);
  const order = said.slice(0, 5).toSorted((one, other) => one[0] - other[0] || one[1] - other[1]);
  assert.deepEqual(order, [[0, 0], [1, 0], [2, 0], [2, 1], [3, 0]]);
  await consumer.unsubscribe();
  const info = await client.getPersistentSubscriptionToStreamInfo(SHARED, 'readers');
  assert.deepEqual([info.eventSource, info.groupName], [SHARED, 'readers']);
  await client.updatePersistentSubscriptionToStream(SHARED, 'readers', { ...settings, maxRetryCount: 3 });
  assert.equal((await client.listPersistentSubscriptionsToStream(SHARED)).length, 1);

  const toAll = persistentSubscriptionToAllSettingsFromDefaults({ startFrom: START });
  const filter = streamNameFilter({ prefixes: ['battle-'] });
  await client.createPersistentSubscriptionToAll('readers', toAll, { filter });
  const reader = client.subscribeToPersistentSubscriptionToAll('readers');
  const [event] = await take(reader, 1);
  assert.equal(event.event.streamId, battle);
  await reader.ack(event);
  await reader.unsubscribe();
  assert.equal((await client.listAllPersistentSubscriptions()).length, 2);
  await client.deletePersistentSubscriptionToStream(SHARED, 'readers');
  await client.deletePersistentSubscriptionToAll('readers');
  await refused(
    'PersistentSubscriptionDoesNotExistError',
    client.getPersistentSubscriptionToStreamInfo(SHARED, 'readers'),
  );
}

await appends();
await reads();
await subscribes();
await deletes();
await shares();
await client.dispose();
