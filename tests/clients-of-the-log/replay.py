import json
import sys

from kurrentdbclient import KurrentDBClient

url, root_certificate, battle = sys.argv[1:]
client = KurrentDBClient(url, root_certificates=open(root_certificate, "rb").read())
held = {}  # of a participant: its points, and the revision at which it reached them
for event in client.get_stream(f"battle-{battle}"):
    fact = json.loads(event.data)
    if event.type == "ParticipantRemoved":
        held.pop(fact["participantId"])
    for who in ("", "attacker", "target"):
        balance = fact.get(f"{who}Balance" if who else "balance")
        participant = fact.get(f"{who}Id" if who else "participantId")
        if balance and held.get(participant, (None,))[0] != balance["points"]:
            held[participant] = (balance["points"], event.stream_position)
board = sorted(held.items(), key=lambda line: (-line[1][0], line[1][1]))
for rank, (participant, (points, _)) in enumerate(board, start=1):
    print(rank, participant, points)
