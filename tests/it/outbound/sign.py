"""Signs requests with botocore, at the moment that each of them names. In: JSON, one request per line. Out: one header per line."""
import datetime
import json
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

for line in sys.stdin:
    asked = json.loads(line)
    moment = datetime.datetime.strptime(asked["date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)

    class Then(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return moment.replace(tzinfo=None)

        @classmethod
        def now(cls, tz=None):
            return moment

    # Older versions ask the module for the time, newer ones a function of their own.
    if hasattr(botocore.auth, "get_current_datetime"):
        botocore.auth.get_current_datetime = lambda *_, **__: moment.replace(tzinfo=None)
    else:
        botocore.auth.datetime = type("module", (), {"datetime": Then})
    request = AWSRequest(method=asked["method"], url=asked["url"], data=asked["body"].encode(), headers=asked["headers"])
    credentials = Credentials(asked["key"], asked["secret"], asked["token"])
    botocore.auth.SigV4Auth(credentials, asked["service"], asked["region"]).add_auth(request)
    print(request.headers["Authorization"], flush=True)
