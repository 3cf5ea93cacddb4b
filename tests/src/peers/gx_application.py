"""What policy servers on python-diameter share: how they answer, ask and print. A line is one event."""
import logging
import os
import sys

from diameter.message import Avp
from diameter.message.avp.grouped import ChargingRuleInstall, ChargingRuleRemove
from diameter.message.commands import CreditControlRequest, ReAuthRequest
from diameter.message.constants import *
from diameter.node import Node
from diameter.node.application import ThreadingApplication

logging.basicConfig(level=logging.WARNING)


def say(*words):
    # Threads speak at the same time: a line is one write.
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def put(said, message):
    """Puts what is said into an answer or a request: `id`, `install` and `remove` (charging rules), `flags`
    (of the capability)."""
    for name in said.get("install", []):
        message.charging_rule_install.append(ChargingRuleInstall(charging_rule_name=[name.encode()]))
    for name in said.get("remove", []):
        message.charging_rule_remove.append(ChargingRuleRemove(charging_rule_name=[name.encode()]))
    if "flags" in said:
        message.append_avp(Avp.new(AVP_ERICSSON_GX_CAPABILITY_LIST, VENDOR_ERICSSON, value=said["flags"]))
    if "id" in said:
        message.append_avp(Avp.new(AVP_STARENT_SN_CF_POLICY_ID, VENDOR_STARENT, value=said["id"]))


class GxApplication(ThreadingApplication):
    """A server says what to say to a request, what to print of it, and what to do after its answer."""

    def __init__(self):
        super().__init__(APP_3GPP_GX, is_auth_application=True)
        self.unanswered = {}

    def said(self, request):
        raise NotImplementedError

    def more(self, request):
        raise NotImplementedError

    def answered(self, request):
        pass

    def handle_request(self, request):
        answer = self.generate_answer(request, result_code=E_RESULT_CODE_DIAMETER_SUCCESS)
        if not isinstance(request, CreditControlRequest):
            return answer
        answer.auth_application_id = APP_3GPP_GX
        answer.origin_state_id = self.node.state_id
        answer.cc_request_type = request.cc_request_type
        answer.cc_request_number = request.cc_request_number
        put(self.said(request), answer)
        self.unanswered[answer.header.end_to_end_identifier] = request
        return answer

    def send_answer(self, answer):
        super().send_answer(answer)
        # Whoever reads the line may do what has to come behind the answer.
        request = self.unanswered.pop(answer.header.end_to_end_identifier, None)
        if request is None:
            return
        ids = {it.subscription_id_type: it.subscription_id_data for it in request.subscription_id}
        flags = request.find_avps((AVP_ERICSSON_GX_CAPABILITY_LIST, VENDOR_ERICSSON))
        self.answered(request)
        say("CCR", request.cc_request_type, "number", request.cc_request_number, "msisdn", ids.get(0),
            "imsi", ids.get(1), "apn", request.called_station_id, "flags", [it.value for it in flags],
            *self.more(request))

    def re_authorize(self, request, said):
        """Says something about the session of a request by RAR, and waits for the answer."""
        change = ReAuthRequest()
        change.header.application_id = APP_3GPP_GX
        change.session_id = request.session_id
        change.origin_host = self.node.origin_host.encode()
        change.origin_realm = self.node.realm_name.encode()
        change.destination_realm = request.origin_realm
        change.destination_host = request.origin_host
        change.auth_application_id = APP_3GPP_GX
        change.re_auth_request_type = 0
        put(said, change)
        say("RAA", self.send_request(change, timeout=20).result_code)


def start(application, address, port, client, state=None):
    """Listens as pcrf.weir.test for CLIENT, a name in weir.test."""
    node = Node("pcrf.weir.test", "weir.test", ip_addresses=[address], tcp_port=int(port),
                vendor_ids=[VENDOR_TGPP, VENDOR_ERICSSON, VENDOR_STARENT])
    if state is not None:
        node.state_id = int(state)
    # A CCR of Gx has no Service-Context-Id, which RFC 4006 wants.
    node.validate_received_request_avps = False
    peer = node.add_peer("aaa://%s.weir.test" % client, "weir.test")
    node.add_application(application, [peer])
    node.start()
