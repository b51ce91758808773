"""An application's server with the official library, unmodified, told what to do by lines of JSON on its input.

It writes a line of JSON for each answer. `python3 app.py PORT APP KEY SECRET`
"""

import json
import sys

import pusher

port, app_id, key, secret = sys.argv[1:]
server = pusher.Pusher(app_id=app_id, key=key, secret=secret, host="127.0.0.1", port=int(port), ssl=False)

for line in sys.stdin:
    order = json.loads(line)
    try:
        answer = {"ok": getattr(server, order["method"])(*order["args"])}
    except Exception as error:
        answer = {"failed": type(error).__name__, "why": str(error)}
    print(json.dumps(answer), flush=True)
