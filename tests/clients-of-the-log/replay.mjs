import { KurrentDBClient } from '@kurrent/kurrentdb-client';

const [url, battle] = process.argv.slice(2);
const client = KurrentDBClient.connectionString(url);
const names = new Map(); // of a participant: its name
const held = new Map(); // its points, and the revision at which it reached them
for await (const { event } of client.readStream(`battle-${battle}`)) {
  const fact = event.data;
  if (event.type === 'ParticipantJoined') names.set(fact.participantId, fact.username);
  if (event.type === 'ParticipantRemoved') held.delete(fact.participantId);
  const balances = [
    [fact.participantId, fact.balance],
    [fact.attackerId, fact.attackerBalance],
    [fact.targetId, fact.targetBalance],
  ];
  for (const [participant, balance] of balances) {
    if (balance && held.get(participant)?.points !== balance.points) {
      held.set(participant, { points: balance.points, reached: Number(event.revision) });
    }
  }
}
const board = [...held].sort(([, one], [, other]) => other.points - one.points || one.reached - other.reached);
board.forEach(([participant, { points }], n) => console.log(n + 1, names.get(participant), points));
await client.dispose();
