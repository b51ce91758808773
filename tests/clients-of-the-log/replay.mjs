import { KurrentDBClient } from '@kurrent/kurrentdb-client';

const [url, battle] = process.argv.slice(2);
const client = KurrentDBClient.connectionString(url);
const held = new Map(); // of a participant: its points, and the revision at which it reached them
for await (const { event } of client.readStream(`battle-${battle}`)) {
  const fact = event.data;
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
board.forEach(([participant, { points }], n) => console.log(n + 1, participant, points));
await client.dispose();
