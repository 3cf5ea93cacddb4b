"""A policy server on python-diameter that says what files say: ADDRESS PORT CLIENT STATE.

`answers.json` has what is said to a CCR by its CC-Request-Type: `id`, `install` and `remove` (charging
rules), `flags` (of the capability). `rar.json`, once it is there, is said to the last session by RAR. STATE is
its Origin-State-Id. Every line printed is one event.
"""
import json
import logging
import os
import sys
import time

from diameter.message import Avp
from diameter.message.avp.grouped import ChargingRuleInstall, ChargingRuleRemove
from diameter.message.commands import CreditControlRequest, ReAuthRequest
from diameter.message.constants import *
from diameter.node import Node
from diameter.node.application import ThreadingApplication

logging.basicConfig(level=logging.WARNING)
address, port, client, state = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
last = None


def say(*words):
    # Threads speak at the same time: a line is one write.
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def put(said, message):
    for name in said.get("install", []):
        message.charging_rule_install.append(ChargingRuleInstall(charging_rule_name=[name.encode()]))
    for name in said.get("remove", []):
        message.charging_rule_remove.append(ChargingRuleRemove(charging_rule_name=[name.encode()]))
    if "flags" in said:
        message.append_avp(Avp.new(AVP_ERICSSON_GX_CAPABILITY_LIST, VENDOR_ERICSSON, value=said["flags"]))
    if "id" in said:
        message.append_avp(Avp.new(AVP_STARENT_SN_CF_POLICY_ID, VENDOR_STARENT, value=said["id"]))


class Pcrf(ThreadingApplication):
    def handle_request(self, request):
        global last
        answer = self.generate_answer(request, result_code=E_RESULT_CODE_DIAMETER_SUCCESS)
        if not isinstance(request, CreditControlRequest):
            return answer
        kind = request.cc_request_type
        ids = {it.subscription_id_type: it.subscription_id_data for it in request.subscription_id}
        flags = request.find_avps((AVP_ERICSSON_GX_CAPABILITY_LIST, VENDOR_ERICSSON))
        say("CCR", kind, "number", request.cc_request_number, "msisdn", ids.get(0), "imsi", ids.get(1),
            "apn", request.called_station_id, "flags", [it.value for it in flags], "session", request.session_id)
        answer.auth_application_id = APP_3GPP_GX
        answer.origin_state_id = state
        answer.cc_request_type, answer.cc_request_number = kind, request.cc_request_number
        with open("answers.json") as file:
            put(json.load(file).get(str(kind), {}), answer)
        last = request
        return answer

    def re_authorize(self, said):
        change = ReAuthRequest()
        change.header.application_id = APP_3GPP_GX
        change.session_id = last.session_id
        change.origin_host = self.node.origin_host.encode()
        change.origin_realm = self.node.realm_name.encode()
        change.destination_realm = last.origin_realm
        change.destination_host = last.origin_host
        change.auth_application_id = APP_3GPP_GX
        change.re_auth_request_type = 0
        put(said, change)
        say("RAA", self.send_request(change, timeout=5).result_code)


node = Node("pcrf.weir.test", "weir.test", ip_addresses=[address], tcp_port=port,
            vendor_ids=[VENDOR_TGPP, VENDOR_ERICSSON, VENDOR_STARENT])
node.state_id = state
# A CCR of Gx has no Service-Context-Id, which RFC 4006 wants.
node.validate_received_request_avps = False
peer = node.add_peer("aaa://%s.weir.test" % client, "weir.test")
application = Pcrf(APP_3GPP_GX, is_auth_application=True)
node.add_application(application, [peer])
node.start()
while True:
    time.sleep(0.02)
    if os.path.exists("rar.json"):
        with open("rar.json") as file:
            said = json.load(file)
        os.remove("rar.json")
        application.re_authorize(said)
