"""Configuration that stands beside a dialplan: one test phone, and a parking lot."""

from __future__ import annotations

import secrets
from typing import Final

from audiosocket_cli.asterisk.dialplan.plan import PlanFile
from audiosocket_cli.asterisk.dialplan.wish import Wish
from audiosocket_cli.errors import UsageError

_PHONE: Final = """\
; One phone for tests. Put it into /etc/asterisk/pjsip.conf, then: asterisk -rx 'module reload res_pjsip.so'
; In the phone: user {phone}, password {password}, and the address of this machine as its domain.
; Modules: chan_pjsip, res_pjsip_registrar, res_pjsip_authenticator_digest, res_pjsip_sdp_rtp, res_rtp_asterisk.

[transport-udp]                         ; leave it out where there is one
type = transport
protocol = udp
bind = 0.0.0.0:5060

[{phone}]
type = endpoint
context = {context}                        ; where its numbers are looked up
disallow = all
allow = ulaw,alaw,g722                  ; c(slin) in Dial(AudioSocket/…) is what turns these into samples
auth = {phone}
aors = {phone}
direct_media = no                       ; the sound has to pass through Asterisk
dtmf_mode = rfc4733                     ; inband where Read() has to hear digits that a server sends as tones

[{phone}]
type = auth
auth_type = userpass
username = {phone}
password = {password}

[{phone}]
type = aor
max_contacts = 1
remove_existing = yes
"""

_PARKING: Final = """\
; The lot for Park(audiosocket). Put it into /etc/asterisk/res_parking.conf, then:
; asterisk -rx 'module reload res_parking.so'
[audiosocket]
parkpos = 901-909
context = audiosocket-parked
parkingtime = 60
; yes would dial who parked the call, and of an AudioSocket channel Asterisk then knows a part of its name only
comebacktoorigin = no
comebackcontext = audiosocket-unparked ; extension s there
"""


def phone_file(wish: Wish, phone: str) -> PlanFile:
    """Return pjsip.conf for one phone, with a new password. Raises `UsageError`."""
    if wish.style == "freepbx":
        raise UsageError("FreePBX makes phones itself: add one as an extension in its web page")
    if not phone.isascii() or not phone.isalnum():
        raise UsageError(f"{phone!r:.80} is not a phone: write one such as 200")
    text = _PHONE.format(phone=phone, password=secrets.token_urlsafe(12), context=wish.context)
    return PlanFile("pjsip.conf", text.splitlines(), is_secret=True)


def parking_file(wish: Wish) -> PlanFile:
    """Return the lot that the dialplan parks in."""
    name = "res_parking_custom.conf" if wish.style == "freepbx" else "res_parking.conf"
    return PlanFile(name, _PARKING.replace("res_parking.conf", name).splitlines())
