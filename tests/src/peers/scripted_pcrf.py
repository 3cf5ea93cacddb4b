"""A policy server that says what files say: ADDRESS PORT CLIENT STATE.

`answers.json` has what is said to a CCR by its CC-Request-Type. `rar.json`, once it is there, is said to the
last session by RAR. STATE is its Origin-State-Id.
"""
import json
import os
import sys
import time

from gx_application import GxApplication, start


class Pcrf(GxApplication):
    last = None

    def said(self, request):
        with open("answers.json") as file:
            return json.load(file).get(str(request.cc_request_type), {})

    def more(self, request):
        return ("session", request.session_id)

    def answered(self, request):
        self.last = request


application = Pcrf()
start(application, *sys.argv[1:])
while True:
    time.sleep(0.02)
    if os.path.exists("rar.json"):
        with open("rar.json") as file:
            said = json.load(file)
        os.remove("rar.json")
        application.re_authorize(application.last, said)
