"""A policy server on python-diameter: ADDRESS PORT CLIENT, where CLIENT dials it.

A session gets profile 7 and the rule acr-child, and a moment after it opened, by RAR, profile 9
and the rule acr-teen in place of acr-child; when it changes, profile 8. Every line printed is one event.
"""
import logging
import os
import sys
import threading
import time

from diameter.message import Avp
from diameter.message.avp.grouped import ChargingRuleInstall, ChargingRuleRemove
from diameter.message.commands import CreditControlRequest, ReAuthRequest
from diameter.message.constants import *
from diameter.node import Node
from diameter.node.application import ThreadingApplication

logging.basicConfig(level=logging.WARNING)
address, port, client = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def say(*words):
    # Threads speak at the same time: a line is one write.
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def profile(number):
    return Avp.new(AVP_STARENT_SN_CF_POLICY_ID, VENDOR_STARENT, value=number)


class Pcrf(ThreadingApplication):
    def handle_request(self, request):
        answer = self.generate_answer(request, result_code=E_RESULT_CODE_DIAMETER_SUCCESS)
        if not isinstance(request, CreditControlRequest):
            return answer
        kind = request.cc_request_type
        ids = {it.subscription_id_type: it.subscription_id_data for it in request.subscription_id}
        flags = request.find_avps((AVP_ERICSSON_GX_CAPABILITY_LIST, VENDOR_ERICSSON))
        say("CCR", kind, "number", request.cc_request_number, "msisdn", ids.get(0), "imsi", ids.get(1),
            "apn", request.called_station_id, "v4", request.framed_ip_address.hex(),
            "v6", request.framed_ipv6_prefix.hex(), "flags", [it.value for it in flags],
            "host", request.destination_host)
        answer.auth_application_id = APP_3GPP_GX
        answer.cc_request_type, answer.cc_request_number = kind, request.cc_request_number
        if kind == 2:
            answer.append_avp(profile(8))
        if kind == 1:
            answer.charging_rule_install.append(ChargingRuleInstall(charging_rule_name=[b"acr-child"]))
            answer.append_avp(Avp.new(AVP_ERICSSON_GX_CAPABILITY_LIST, VENDOR_ERICSSON, value=1))
            answer.append_avp(profile(7))
            threading.Timer(0.3, self.change, (request,)).start()
        return answer

    def change(self, request):
        change = ReAuthRequest()
        change.header.application_id = APP_3GPP_GX
        change.session_id = request.session_id
        change.origin_host = self.node.origin_host.encode()
        change.origin_realm = self.node.realm_name.encode()
        change.destination_realm = request.origin_realm
        change.destination_host = request.origin_host
        change.auth_application_id = APP_3GPP_GX
        change.re_auth_request_type = 0
        change.charging_rule_remove = [ChargingRuleRemove(charging_rule_name=[b"acr-child"])]
        change.charging_rule_install = [ChargingRuleInstall(charging_rule_name=[b"acr-teen"])]
        change.append_avp(profile(9))
        answer = self.send_request(change, timeout=5)
        say("RAA", answer.result_code)


node = Node("pcrf.weir.test", "weir.test", ip_addresses=[address], tcp_port=port,
            vendor_ids=[VENDOR_TGPP, VENDOR_ERICSSON, VENDOR_STARENT])
# A CCR of Gx has no Service-Context-Id, which RFC 4006 wants.
node.validate_received_request_avps = False
peer = node.add_peer("aaa://%s.weir.test" % client, "weir.test")
node.add_application(Pcrf(APP_3GPP_GX, is_auth_application=True), [peer])
node.start()
time.sleep(600)
