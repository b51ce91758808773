"""What the official Python client gets from the event store: `every_call.py URL ROOT_CERTIFICATE BATTLE`.

Its two clients, one that blocks and one that does not, are asked the same. It ends with 0 if all is as it should be.
"""

import asyncio
import inspect
import json
import sys

from kurrentdbclient import (
    AsyncKurrentDBClient,
    CaughtUp,
    Checkpoint,
    KurrentDBClient,
    NewEvent,
    StreamState,
)
from kurrentdbclient.exceptions import (
    AccessDeniedError,
    AlreadyExistsError,
    FailedPreconditionError,
    MaximumSubscriptionsReachedError,
    NotFoundError,
    StreamIsDeletedError,
    WrongCurrentVersionError,
)

PATIENCE_S = 60


def note(number):
    return NewEvent(type="Noted", data=json.dumps({"n": number}).encode(), metadata=b'{"by":"me"}')


class Asked:
    """Either client behind one way of asking, so that each call is written once."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        async def call(*args, **kwargs):
            answer = getattr(self.client, name)(*args, **kwargs)
            return await answer if inspect.isawaitable(answer) else answer

        return call


async def refused(error, call):
    try:
        await call
    except error:
        return
    raise AssertionError(f"was not refused with {error}")


async def next_of(events):
    if hasattr(events, "__anext__"):
        return await asyncio.wait_for(anext(events), PATIENCE_S)
    return next(events)


async def take(events, count):
    return [await next_of(events) for _ in range(count)]


async def until(events, kind):
    while True:
        event = await next_of(events)
        if isinstance(event, kind):
            return event


async def said(answer):
    if inspect.isawaitable(answer):
        await answer


async def appends(client, name):
    first, second = note(1), note(2)
    position = await client.append_events(name, current_version=StreamState.NO_STREAM, events=[first, second])
    again = await client.append_events(name, current_version=StreamState.NO_STREAM, events=[first, second])
    assert position == again, "what was appended already is where it was"
    await refused(
        WrongCurrentVersionError, client.append_events(name, current_version=StreamState.NO_STREAM, events=[note(3)])
    )
    await refused(WrongCurrentVersionError, client.append_to_stream(name, current_version=7, events=note(3)))
    await client.append_to_stream(name, current_version=1, events=note(3))
    await client.append_to_stream(name, current_version=2, events=[note(4)])
    await refused(
        WrongCurrentVersionError,
        client.append_to_stream(f"{name}-nowhere", current_version=StreamState.EXISTS, events=note(1)),
    )
    assert await client.get_current_version(name) == 3
    return position


async def reads(client, name, battle, position):
    events = await client.get_stream(name)
    assert [event.stream_position for event in events] == [0, 1, 2, 3]
    assert [json.loads(event.data)["n"] for event in events] == [1, 2, 3, 4]
    assert events[1].commit_position == position
    assert events[0].metadata == b'{"by":"me"}' and events[0].recorded_at is not None
    events = await client.get_stream(name, backwards=True, limit=2)
    assert [event.stream_position for event in events] == [3, 2]
    await refused(NotFoundError, client.get_stream(f"{name}-nowhere"))
    await refused(
        AccessDeniedError, client.append_to_stream(battle, current_version=StreamState.ANY, events=note(1))
    )

    # By default the client leaves system events out, by an expression with look-ahead.
    everything = await take_all(await client.read_all())
    assert not [event for event in everything if event.type.startswith("$")]
    played = await take_all(await client.read_all(filter_include=["battle-.*"], filter_by_stream_name=True))
    assert {event.stream_name for event in played} == {battle}
    noted = await take_all(await client.read_all(filter_include=["Noted"], limit=3))
    assert [event.type for event in noted] == ["Noted"] * 3
    prefixed = await take_all(
        await client.read_all(filter_include=[name], filter_by_stream_name=True, filter_by_prefix=True)
    )
    assert [event.stream_name for event in prefixed] == [name] * 4
    assert await client.get_commit_position() == everything[-1].commit_position
    assert await client.get_commit_position(filter_exclude=[".*"]) == 0


async def take_all(events):
    if hasattr(events, "__aiter__"):
        return [event async for event in events]
    return list(events)


async def subscribes(client, name):
    subscription = await client.subscribe_to_stream(name, include_caught_up=True)
    seen = await take(subscription, 4)
    assert (await until(subscription, CaughtUp)).stream_position == 3
    await client.append_to_stream(name, current_version=3, events=note(5))
    assert (await next_of(subscription)).stream_position == 4
    await said(subscription.stop())
    # Resumed behind what was seen last.
    subscription = await client.subscribe_to_stream(name, stream_position=seen[-1].stream_position)
    assert (await next_of(subscription)).stream_position == 4
    await said(subscription.stop())

    subscription = await client.subscribe_to_all(
        filter_include=[name], filter_by_stream_name=True, include_checkpoints=True, include_caught_up=True
    )
    seen = await take(subscription, 5)
    checkpoint = await until(subscription, Checkpoint)
    await said(subscription.stop())
    assert checkpoint.commit_position >= seen[-1].commit_position
    resumed = await client.subscribe_to_all(
        commit_position=checkpoint.commit_position, filter_include=[name], filter_by_stream_name=True
    )
    await client.append_to_stream(name, current_version=4, events=note(6))
    assert (await next_of(resumed)).stream_position == 5
    await said(resumed.stop())
    # A stream that is not there is waited for.
    waiting = await client.subscribe_to_stream(f"{name}-to-come")
    await client.append_to_stream(f"{name}-to-come", current_version=StreamState.NO_STREAM, events=note(1))
    assert (await next_of(waiting)).stream_position == 0
    await said(waiting.stop())


async def deletes(client, name):
    await refused(NotFoundError, client.delete_stream(f"{name}-nowhere", current_version=StreamState.ANY))
    await refused(WrongCurrentVersionError, client.delete_stream(name, current_version=0))
    await client.delete_stream(name, current_version=5)
    await client.delete_stream(name, current_version=5)
    await refused(StreamIsDeletedError, client.delete_stream(name, current_version=StreamState.EXISTS))
    await refused(NotFoundError, client.get_stream(name))
    assert await client.get_current_version(name) == StreamState.NO_STREAM
    await client.append_to_stream(name, current_version=StreamState.NO_STREAM, events=note(7))
    assert [event.stream_position for event in await client.get_stream(name)] == [6]
    metadata, version = await client.get_stream_metadata(name)
    assert metadata == {"$tb": 6}
    await client.set_stream_metadata(name, metadata={"$maxCount": 1, "owner": "me"}, current_version=version)
    await refused(
        WrongCurrentVersionError, client.set_stream_metadata(name, metadata={}, current_version=version)
    )
    await client.append_to_stream(name, current_version=6, events=note(8))
    assert [event.stream_position for event in await client.get_stream(name)] == [7]

    await refused(WrongCurrentVersionError, client.tombstone_stream(name, current_version=0))
    await client.tombstone_stream(name, current_version=7)
    for call in (
        client.get_stream(name),
        client.get_current_version(name),
        client.get_stream_metadata(name),
        client.append_events(name, current_version=StreamState.ANY, events=[note(9)]),
        client.tombstone_stream(name, current_version=StreamState.ANY),
    ):
        await refused(StreamIsDeletedError, call)
    # One of the clients has no name for it where an append is a call by itself.
    either = (FailedPreconditionError, StreamIsDeletedError)
    await refused(either, client.append_to_stream(name, current_version=StreamState.ANY, events=note(9)))
    await client.set_stream_metadata(name, metadata={"owner": "me"})


async def shares(client, name, battle):
    group = f"{name}-readers"
    stream = f"{name}-shared"
    await refused(NotFoundError, client.get_subscription_info(group, stream))
    assert await client.list_subscriptions_to_stream(stream) == []
    await client.create_subscription_to_stream(group, stream, max_subscriber_count=1, message_timeout=60)
    await refused(AlreadyExistsError, client.create_subscription_to_stream(group, stream))
    await client.append_events(stream, current_version=StreamState.NO_STREAM, events=[note(n) for n in range(5)])
    consumer = await client.read_subscription_to_stream(group, stream)
    await refused(MaximumSubscriptionsReachedError, client.read_subscription_to_stream(group, stream))
    for action in ("ack", "park", "skip", "ack", "retry"):
        event = await next_of(consumer)
        await said(consumer.ack(event) if action == "ack" else consumer.nack(event, action=action))
    event = await next_of(consumer)
    assert (event.stream_position, event.retry_count) == (4, 1)
    await said(consumer.ack(event))
    while (await client.get_subscription_info(group, stream)).parked_message_count < 1:
        await asyncio.sleep(0.01)
    await client.replay_parked_events(group, stream)
    event = await next_of(consumer)
    assert event.stream_position == 1
    await said(consumer.ack(event))
    await said(consumer.stop())
    await client.update_subscription_to_stream(group, stream, max_retry_count=3)
    info = await client.get_subscription_info(group, stream)
    assert (info.max_retry_count, info.event_source, info.start_from) == (3, stream, "0")
    assert [info.group_name for info in await client.list_subscriptions_to_stream(stream)] == [group]

    await client.create_subscription_to_all(
        group, filter_include=["battle-.*"], filter_by_stream_name=True, consumer_strategy="PinnedByCorrelation"
    )
    consumer = await client.read_subscription_to_all(group)
    events = await take(consumer, 2)
    found = [(event.stream_name, event.stream_position) for event in events]
    assert found == [(battle, 0), (battle, 1)], found
    for event in events:
        await said(consumer.ack(event))
    await said(consumer.stop())
    assert (await client.get_subscription_info(group)).consumer_strategy == "PinnedByCorrelation"
    assert {info.event_source for info in await client.list_subscriptions()} == {stream, "$all"}
    await client.delete_subscription(group, stream)
    await client.delete_subscription(group)
    await refused(NotFoundError, client.delete_subscription(group))


async def everything(client, name, battle):
    client = Asked(client)
    position = await appends(client, name)
    await reads(client, name, battle, position)
    await subscribes(client, name)
    await deletes(client, name)
    await shares(client, name, battle)
    await client.close()


async def main(url, root, battle):
    with open(root, "rb") as file:
        root_certificates = file.read()
    await everything(KurrentDBClient(url, root_certificates=root_certificates), "notes-blocking", battle)
    client = AsyncKurrentDBClient(url, root_certificates=root_certificates)
    await client.connect()
    await everything(client, "notes-async", battle)


asyncio.run(main(*sys.argv[1:]))
