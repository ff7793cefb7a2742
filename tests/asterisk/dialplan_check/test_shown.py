"""What `dialplan show` prints is read back."""

from __future__ import annotations

from audiosocket_cli.asterisk.dialplan_check.dialplan import Form, Place
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan

SHOWN = """
[ Context 'c' created by 'pbx_config' ]
  's' =>            1. Answer()                                   [x.conf:17]
                    5. NoOp(x;y [z])                              [x.conf:19]

[ Context 'b' created by 'pbx_config' ]
  '100' =>          1. Answer()                                   [x.conf:6]
     [lab]          3. AudioSocket(${UUID()},${SRV})              [x.conf:8]
  '300' =>          hint: SIP/x                                   [x.conf:11]
  '_2XX' (CID match '555') =>  1. Dial(AudioSocket/h:1/${UUID()}/c(slin),,g) [x.conf:10]
  'parked' =>       1. Park()                                     [res_parking/default]
  Include =>        'c,9:00-17:00,*,*,*'                          [pbx_config]
  Ignore pattern => '9'                                           [pbx_config]
  Alt. Switch =>    'Realtime/x@y'                                [pbx_config]

-= 5 extensions (10 priorities) in 3 contexts. =-
"""


def test_contexts_extensions_labels_and_places() -> None:
    plan = read_dialplan(SHOWN.splitlines(), "dialplan show")
    assert plan.form is Form.SHOWN
    assert plan.includes == {"b": ["c"]}
    assert [(s.context, s.extension, s.priority, s.label, s.application, s.data, str(s.place)) for s in plan.steps] == [
        ("c", "s", 1, "", "Answer", "", "x.conf:17"),
        ("c", "s", 5, "", "NoOp", "x;y [z]", "x.conf:19"),
        ("b", "100", 1, "", "Answer", "", "x.conf:6"),
        ("b", "100", 3, "lab", "AudioSocket", "${UUID()},${SRV}", "x.conf:8"),
        ("b", "_2XX", 1, "", "Dial", "AudioSocket/h:1/${UUID()}/c(slin),,g", "x.conf:10"),
        ("b", "parked", 1, "", "Park", "", "context b, extension parked"),
    ]
    assert plan.steps[-1].place == Place("context b, extension parked", 0)
