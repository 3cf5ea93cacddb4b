"""A policy server: ADDRESS PORT CLIENT.

A session gets profile 7 and the rule acr-child, and once it is open, by RAR, profile 9 and the rule
acr-teen in place of acr-child; when it changes, profile 8.
"""
import sys
import threading
import time

from gx_application import GxApplication, start

OPENED = {"id": 7, "install": ["acr-child"], "flags": 1}
CHANGED = {"id": 8}
RE_AUTHORIZED = {"id": 9, "install": ["acr-teen"], "remove": ["acr-child"]}


class Pcrf(GxApplication):
    def said(self, request):
        return {1: OPENED, 2: CHANGED}.get(request.cc_request_type, {})

    def more(self, request):
        return ("v4", request.framed_ip_address.hex(), "v6", request.framed_ipv6_prefix.hex(),
                "host", request.destination_host)

    def answered(self, request):
        if request.cc_request_type == 1:
            # Answers are sent by the thread that this is.
            threading.Thread(target=self.re_authorize, args=(request, RE_AUTHORIZED)).start()


start(Pcrf(), *sys.argv[1:])
time.sleep(600)
