"""Kamailio's configuration, made of ours. Pure: text in, text out.

Nothing that an operator, tenant or peer writes gets into the script: it has addresses, ports, paths and the
secret alone. Peers stand in a table of their own, whose words are checked here.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

from sip.edge.settings import EdgeSettings
from sip.legs.trunks import TrunkFacts

MAX_MESSAGE: Final = 16_384
"""Octets of a message (R6); beyond: 513."""
MAX_URI: Final = 256
"""Octets of a Request-URI (R6); beyond: 414."""
MAX_NAME: Final = 128
"""Octets of a header field's name (R6); beyond: 400."""
MAX_FIELDS: Final = 100
"""Header fields of a message (R6); beyond: 400."""
RETRY_AFTER: Final = 5
"""Seconds that callers are asked to wait when no worker has room."""

UNHEARD_MS: Final = 4_000
"""Without anything from a peer by then, its trunk counts as dead for this call (R8)."""

_LABEL: Final = re.compile(r"^[A-Za-z0-9._:-]{1,128}/[A-Za-z0-9._-]{1,255}$", re.ASCII)
_SECRET: Final = re.compile(r"^[A-Za-z0-9]{16,128}$", re.ASCII)
_PLACE: Final = re.compile(r"^[A-Za-z0-9._/ -]+$", re.ASCII)

PEERS_GROUP: Final = 1
WORKERS_SET: Final = 1


def peers(trunks: Iterable[TrunkFacts]) -> str:
    """Return the table of whose calls may come: group, network, mask, port (any), trunk.

    The longest networks stand first: the first that fits decides. A trunk that has to prove itself by digest
    as well is left out: its address alone must not be enough.
    """
    rows = [
        (network, facts)
        for facts in trunks
        for network in map(ip_network, facts.addresses)
        if network.version == 4 and facts.challenge is None and _LABEL.match(facts.label)
    ]
    rows.sort(key=lambda row: (-row[0].prefixlen, row[1].priority, row[1].label))
    lines = (
        f"{PEERS_GROUP} {network.network_address} {network.prefixlen} 0 {facts.label}"
        for network, facts in rows
    )
    return "".join(f"{line}\n" for line in lines)


def workers(settings: EdgeSettings) -> str:
    """Return the table of workers that take calls, each with as many as it holds."""
    lines = (
        f"{WORKERS_SET} sip:{settings.worker_host}:{settings.first_worker_port + number} 0 0"
        f" duid=w{number};maxload={settings.calls_a_worker}"
        for number in range(settings.ins)
    )
    return "".join(f"{line}\n" for line in lines)


def tls(settings: EdgeSettings) -> str:
    """Return Kamailio's configuration of TLS: 1.2 at least, and peers' certificates verified going out."""
    return f"""[server:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
private_key = {settings.certificate_key}
certificate = {settings.certificate}

[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
ca_list = /etc/ssl/certs/ca-certificates.crt
"""


def configuration(settings: EdgeSettings, secret: str) -> str:
    """Return kamailio.cfg. Raises ValueError for what would not stay inside its quotes."""
    if not _SECRET.match(secret):
        raise ValueError("the edge's secret: expected 16 to 128 letters and digits")
    for path in (settings.folder, settings.certificate or "-", settings.certificate_key or "-"):
        if not _PLACE.match(str(path)):
            raise ValueError(
                f"{path}: the edge takes paths of letters, digits, dots, dashes and blanks alone"
            )
    told = f" advertise {settings.public_address}:{settings.port}" if settings.public_address else ""
    listens = [f"listen={each}:{settings.address}:{settings.port}{told}" for each in ("udp", "tcp")]
    secure = ""
    if settings.tls_port is not None:
        listens.append(f"listen=tls:{settings.address}:{settings.tls_port}")
        secure = (
            'enable_tls=yes\nloadmodule "tls.so"\n'
            f'modparam("tls", "config", "{settings.tls_configuration}")\n'
        )
    last = settings.first_worker_port + settings.ins + settings.outs - 1
    return _SCRIPT.format(
        listens="\n".join(listens),
        secure=secure,
        processes=settings.processes,
        control=settings.control,
        peers=settings.peers,
        workers=settings.workers,
        group=PEERS_GROUP,
        set=WORKERS_SET,
        flood=settings.flood,
        max_message=MAX_MESSAGE,
        max_uri=MAX_URI,
        long_name=MAX_NAME + 1,
        too_many=MAX_FIELDS + 1,
        retry_after=RETRY_AFTER,
        unheard_ms=UNHEARD_MS,
        host=settings.worker_host,
        first=settings.first_worker_port,
        last=last,
        secret=secret,
    )


_SCRIPT: Final = """#!KAMAILIO
# Made by Tandem at every start; what is changed here is lost.
debug=0
log_stderror=yes
log_name="edge"
disable_core_dump=yes
fork=yes
children={processes}
tcp_children={processes}
auto_aliases=no
dns=no
rev_dns=no
use_dns_cache=off
server_signature=no
user_agent_header="User-Agent: Tandem"
tcp_accept_no_cl=no
tcp_max_connections=1024
pv_buffer_size=20000
{listens}

loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "textopsx.so"
loadmodule "siputils.so"
loadmodule "sanity.so"
loadmodule "permissions.so"
loadmodule "pike.so"
loadmodule "statistics.so"
loadmodule "dispatcher.so"
loadmodule "jsonrpcs.so"
{secure}
modparam("jsonrpcs", "transport", 4)
modparam("jsonrpcs", "dgram_socket", "{control}")
modparam("jsonrpcs", "dgram_mode", 0600)
modparam("permissions", "address_file", "{peers}")
modparam("permissions", "peer_tag_avp", "$avp(trunk)")
modparam("permissions", "reload_delta", 0)
modparam("dispatcher", "list_file", "{workers}")
modparam("dispatcher", "flags", 2)
modparam("dispatcher", "ds_hash_size", 8)
modparam("dispatcher", "ds_probing_mode", 0)
modparam("pike", "sampling_time_unit", 2)
modparam("pike", "reqs_density_per_unit", {flood})
modparam("pike", "remove_latency", 10)
modparam("rr", "append_fromtag", 1)
modparam("rr", "enable_full_lr", 1)
modparam("tm", "failure_reply_mode", 3)
modparam("tm", "fr_timer", 32000)
modparam("tm", "fr_inv_timer", 190000)
modparam("tm", "restart_fr_on_each_reply", 1)
modparam("statistics", "variable", "stranger")
modparam("statistics", "variable", "flood")
modparam("statistics", "variable", "too_large")
modparam("statistics", "variable", "malformed")
modparam("statistics", "variable", "no_room")
modparam("statistics", "variable", "not_ours")

request_route {{
    $var(outside) = 0;
    if ($si == "{host}" && $sp >= {first} && $sp <= {last}) {{
        route(FROM_WORKER);
        exit;
    }}
    if (!pike_check_req()) {{
        update_stat("flood", "+1");
        exit;
    }}
    if (af == INET6 || !allow_source_address("{group}")) {{
        update_stat("stranger", "+1");
        if (!is_method("ACK")) {{
            sl_send_reply("403", "Forbidden");
        }}
        exit;
    }}
    route(CHECK);
    remove_hf_re("^[Xx]-[Tt][Aa][Nn][Dd][Ee][Mm]-");
    msg_apply_changes();
    if (has_totag()) {{
        $var(outside) = 1;
        route(WITHIN);
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) {{
            t_relay();
        }}
        exit;
    }}
    if (is_method("ACK")) {{
        t_check_trans();
        exit;
    }}
    if (is_method("OPTIONS")) {{
        if ($shv(draining) == 1) {{
            append_to_reply("Retry-After: {retry_after}\\r\\n");
            sl_send_reply("503", "Service Unavailable (draining)");
        }} else {{
            append_to_reply("Accept: application/sdp\\r\\n");
            append_to_reply("Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK\\r\\n");
            sl_send_reply("200", "OK");
        }}
        exit;
    }}
    if (!is_method("INVITE")) {{
        append_to_reply("Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK\\r\\n");
        sl_send_reply("405", "Method Not Allowed");
        exit;
    }}
    if ($shv(draining) == 1) {{
        append_to_reply("Retry-After: {retry_after}\\r\\n");
        sl_send_reply("503", "Service Unavailable (draining)");
        exit;
    }}
    if (t_lookup_request()) {{
        exit;
    }}
    remove_hf("Route");
    append_hf("X-Tandem-Edge: {secret}\\r\\n");
    append_hf("X-Tandem-Trunk: $avp(trunk)\\r\\n");
    append_hf("X-Tandem-Source: $proto:$si:$sp\\r\\n");
    record_route(";in=1");
    t_on_reply("FROM_WORKER");
    t_on_failure("NEXT_WORKER");
    if (!ds_select_dst("{set}", "10")) {{
        update_stat("no_room", "+1");
        append_to_reply("Retry-After: {retry_after}\\r\\n");
        sl_send_reply("503", "Service Unavailable (full)");
        exit;
    }}
    t_set_fr(190000, 2000);
    if (!t_relay()) {{
        sl_reply_error();
    }}
    exit;
}}

route[CHECK] {{
    if (msg:len > {max_message}) {{
        update_stat("too_large", "+1");
        sl_send_reply("513", "Message Too Large");
        exit;
    }}
    if ($(ru{{s.len}}) > {max_uri}) {{
        update_stat("too_large", "+1");
        sl_send_reply("414", "Request-URI Too Long");
        exit;
    }}
    if (search("^[^: \\t\\r\\n]{{{long_name},}}[ \\t]*:") || search("(\\n[^\\r\\n]+\\r){{{too_many}}}")) {{
        update_stat("malformed", "+1");
        sl_send_reply("400", "Bad Request (header)");
        exit;
    }}
    if (!mf_process_maxfwd_header("70")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (!sanity_check("17895", "7")) {{
        update_stat("malformed", "+1");
        exit;
    }}
}}

# Within a dialog: the way that Record-Route made, or nothing.
route[WITHIN] {{
    if (loose_route()) {{
        if ($var(outside) == 1) {{
            route(TO_WORKERS_ALONE);
        }}
        if (is_method("INVITE|UPDATE")) {{
            record_route();
        }}
        if (is_method("BYE") && check_route_param("in=1")) {{
            ds_load_unset();
        }}
        t_on_reply("FROM_INSIDE");
        t_relay();
        exit;
    }}
    if (is_method("ACK")) {{
        if (t_check_trans()) {{
            t_relay();
        }}
        exit;
    }}
    sl_send_reply("481", "Call/Transaction Does Not Exist");
    exit;
}}

# A peer writes Route and Request-URI of its requests itself: it reaches workers by them, and nothing else.
route[TO_WORKERS_ALONE] {{
    if ($du == $null) {{
        $var(host) = $rd;
        $var(port) = $rp;
    }} else {{
        $var(host) = $dd;
        $var(port) = $dp;
    }}
    $var(port) = $(var(port){{s.int}});
    if ($var(host) != "{host}" || $var(port) < {first} || $var(port) > {last}) {{
        update_stat("not_ours", "+1");
        if (!is_method("ACK")) {{
            sl_send_reply("403", "Forbidden");
        }}
        exit;
    }}
}}

# What workers send: calls that they make name where they go, and prove that they are of this start.
route[FROM_WORKER] {{
    if (!mf_process_maxfwd_header("70")) {{
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) {{
            t_relay();
        }}
        exit;
    }}
    if (has_totag()) {{
        remove_hf_re("^[Xx]-[Tt][Aa][Nn][Dd][Ee][Mm]-");
        msg_apply_changes();
        route(WITHIN);
        exit;
    }}
    if (is_method("ACK")) {{
        t_check_trans();
        exit;
    }}
    if (!is_method("INVITE") || $hdr(X-Tandem-Edge) != "{secret}" || $hdr(X-Tandem-To) == $null) {{
        update_stat("not_ours", "+1");
        sl_send_reply("403", "Forbidden");
        exit;
    }}
    if (t_lookup_request()) {{
        exit;
    }}
    loose_route();
    $var(to) = $(hdr(X-Tandem-To){{nameaddr.uri}});
    $du = $var(to);
    remove_hf_re("^[Xx]-[Tt][Aa][Nn][Dd][Ee][Mm]-");
    remove_hf("Route");
    msg_apply_changes();
    $du = $var(to);
    record_route();
    t_on_reply("FROM_OUTSIDE");
    t_on_failure("UNHEARD");
    t_set_fr(190000, {unheard_ms});
    if (!t_relay()) {{
        append_to_reply("X-Tandem-Unheard: transport\\r\\n");
        sl_send_reply("503", "Service Unavailable (transport)");
    }}
    exit;
}}

onreply_route[FROM_INSIDE] {{
    remove_hf_re("^[Xx]-[Tt][Aa][Nn][Dd][Ee][Mm]-");
}}

onreply_route[FROM_WORKER] {{
    remove_hf_re("^[Xx]-[Tt][Aa][Nn][Dd][Ee][Mm]-");
    if (status =~ "2[0-9][0-9]") {{
        ds_load_update();
    }}
}}

onreply_route[FROM_OUTSIDE] {{
    remove_hf_re("^[Xx]-[Tt][Aa][Nn][Dd][Ee][Mm]-");
}}

# Nothing came back from a peer, not even 100: whoever dialled may try another trunk (R8).
failure_route[UNHEARD] {{
    if (!t_is_canceled() && t_branch_timeout() && !t_branch_replied()) {{
        append_to_reply("X-Tandem-Unheard: silence\\r\\n");
        t_reply("408", "Request Timeout");
        exit;
    }}
    # A proxy would make 500 of it (RFC 3261 §16.7); our own side asks another trunk, and wants to know why.
    if (!t_is_canceled() && t_check_status("503")) {{
        $var(why) = $(T_rpl($hdr(Reason)));
        if ($var(why) =~ "^[ -~]+$") {{
            append_to_reply("Reason: $var(why)\\r\\n");
        }}
        t_reply("503", "$T_reply_reason");
    }}
}}

# A worker that is full, draining or gone: the next one is asked; the caller hears of none of them.
failure_route[NEXT_WORKER] {{
    if (t_is_canceled()) {{
        ds_load_unset();
        exit;
    }}
    if (t_check_status("503") || (t_branch_timeout() && !t_branch_replied())) {{
        if (ds_next_dst()) {{
            t_on_reply("FROM_WORKER");
            t_on_failure("NEXT_WORKER");
            t_relay();
            exit;
        }}
        ds_load_unset();
        update_stat("no_room", "+1");
        append_to_reply("Retry-After: {retry_after}\\r\\n");
        t_reply("503", "Service Unavailable (full)");
        exit;
    }}
    ds_load_unset();
}}
"""
