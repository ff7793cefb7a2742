-- AudioSocket in Wireshark and tshark: the protocol over which Asterisk streams a call's audio over TCP.
--
-- A frame is one byte of kind, two bytes of payload length (big-endian) and the payload. Frames are found on TCP port
-- 9092 (preference audiosocket.port), and on any other port where a connection opens with a UUID frame. The warnings
-- say what ends a call in Asterisk, and why (res/res_audiosocket.c, apps/app_audiosocket.c).
--
-- Works with Wireshark 3.4 to 4.6 (Lua 5.2 to 5.4), from the folder of personal Lua plugins or with -X lua_script:FILE.
-- SPDX-License-Identifier: MIT

local HEADER_BYTES = 3
local UUID_BYTES = 16
local DEFAULT_PORT = 9092
local MAX_SAMPLES = 8096 -- what a translator in Asterisk takes at once
local MAX_RUNS = 8 -- runs of frames alike that the info column names

local HANGUP, UUID, OLD_SILENCE, DTMF, ERROR = 0x00, 0x01, 0x02, 0x03, 0xff

local KIND_NAMES = {
    [HANGUP] = "hangup", [UUID] = "uuid", [DTMF] = "dtmf", [0x10] = "slin", [0x11] = "slin12", [0x12] = "slin16",
    [0x13] = "slin24", [0x14] = "slin32", [0x15] = "slin44", [0x16] = "slin48", [0x17] = "slin96", [0x18] = "slin192",
    [ERROR] = "error",
}

local RATE_BY_KIND = {
    [0x10] = 8000, [0x11] = 12000, [0x12] = 16000, [0x13] = 24000, [0x14] = 32000, [0x15] = 44100, [0x16] = 48000,
    [0x17] = 96000, [0x18] = 192000,
}

local ERROR_MEANINGS = {
    { bit = 1, text = "the calling party hung up" },
    { bit = 2, text = "a frame could not be forwarded" },
    { bit = 4, text = "out of memory" },
}

local audiosocket = Proto("audiosocket", "AudioSocket")

local SET = { "set", "not set" }

local f = {
    side = ProtoField.string("audiosocket.side", "Sent by"),
    kind = ProtoField.uint8("audiosocket.kind", "Kind", base.HEX, KIND_NAMES),
    length = ProtoField.uint16("audiosocket.length", "Payload length (bytes)", base.DEC),
    uuid = ProtoField.guid("audiosocket.uuid", "UUID"),
    uuid_text = ProtoField.string("audiosocket.uuid_text", "UUID sent as text"),
    digit = ProtoField.string("audiosocket.digit", "Digit"),
    rate = ProtoField.uint32("audiosocket.rate", "Sample rate (Hz)", base.DEC),
    samples = ProtoField.uint32("audiosocket.samples", "Samples", base.DEC),
    duration_ms = ProtoField.double("audiosocket.duration_ms", "Duration (ms)"),
    error_code = ProtoField.uint8("audiosocket.error_code", "Error code", base.HEX),
    error_hangup = ProtoField.bool("audiosocket.error_code.hangup", "Hangup of the calling party", 8, SET, 0x01),
    error_frame = ProtoField.bool("audiosocket.error_code.frame", "Frame forwarding", 8, SET, 0x02),
    error_memory = ProtoField.bool("audiosocket.error_code.memory", "Memory", 8, SET, 0x04),
    error = ProtoField.string("audiosocket.error", "Error"),
    payload = ProtoField.bytes("audiosocket.payload", "Payload"),
}
audiosocket.fields = f

local function expert_field(name, text, severity)
    return ProtoExpert.new("audiosocket." .. name, text, expert.group.PROTOCOL, severity)
end

local e = {
    server_kind = expert_field(
        "server_kind", "The server sent what is neither audio nor hangup", expert.severity.WARN),
    server_empty_audio = expert_field(
        "server_empty_audio", "The server sent audio of length 0", expert.severity.WARN),
    server_rate = expert_field(
        "server_rate", "The server sent audio that older releases of Asterisk refuse", expert.severity.NOTE),
    odd_length = expert_field("odd_length", "Audio of odd length", expert.severity.NOTE),
    long_audio = expert_field("long_audio", "More samples than Asterisk takes at once", expert.severity.WARN),
    uuid_length = expert_field("uuid_length", "A UUID that has not 16 bytes", expert.severity.WARN),
    unknown_kind = expert_field("unknown_kind", "Unknown kind", expert.severity.WARN),
    digit_payload = expert_field("digit_payload", "DTMF that is not one digit", expert.severity.WARN),
    no_frame = expert_field("no_frame", "An answer that is not AudioSocket", expert.severity.WARN),
}
audiosocket.experts = e

audiosocket.prefs.port = Pref.uint(
    "TCP port", DEFAULT_PORT, "The port that is AudioSocket's whatever a connection opens with; 0 for none")

local stream_field = Field.new("tcp.stream")

-- What is known of TCP streams: rows by the two ends, since ends are used again. A row has
--   since    the number of the stream's first packet with data
--   number   the stream's number in Wireshark
--   caller   the end that Asterisk is, once its UUID frame was seen
--   begun    whether a frame was seen
--   kafka    whether it is Kafka on our port, which is Kafka's, too
--   foreign  whether one end's data turned out not to be AudioSocket
-- and, per end, the number of the packet
--   first    with its first data
--   waiting  that was too short to tell
--   ours     from which on its data is AudioSocket
local streams = {}

function audiosocket.init()
    streams = {}
end

local function end_of(address, port)
    return tostring(address) .. " " .. port
end

-- Return a stream's row by its number when a packet comes for the first time. Later that number can be missing, and
-- with tshark -2 it always is: fields of other protocols are there only when a tree is made. Then the last row it is.
local function find_row(rows, pinfo)
    local found = not pinfo.visited and { stream_field() } or {}
    local number = #found > 0 and found[#found].value -- the last is the innermost, in a tunnel
    for i = #rows, 1, -1 do
        if number and rows[i].number == number or not number and rows[i].since <= pinfo.number then
            return rows[i]
        end
    end
    rows[#rows + 1] = { since = pinfo.number, number = number, first = {}, waiting = {}, ours = {} }
    return rows[#rows]
end

local function stream_of(pinfo)
    local source, destination = end_of(pinfo.src, pinfo.src_port), end_of(pinfo.dst, pinfo.dst_port)
    local ends = source < destination and source .. " " .. destination or destination .. " " .. source
    streams[ends] = streams[ends] or {}
    return find_row(streams[ends], pinfo), source
end

local function kind_name(kind)
    return KIND_NAMES[kind] or string.format("0x%02x", kind)
end

local function hex(range)
    return (tostring(range:bytes()):lower():gsub("(%x%x)", "%1 "):gsub(" $", ""))
end

-- Whose frame is it? --------------------------------------------------------------------------------------------------

-- Return the caller's end by the port alone, or nil where that does not tell.
local function caller_by_port(pinfo)
    local port = audiosocket.prefs.port
    if pinfo.dst_port == port and pinfo.src_port ~= port then
        return end_of(pinfo.src, pinfo.src_port)
    elseif pinfo.src_port == port and pinfo.dst_port ~= port then
        return end_of(pinfo.dst, pinfo.dst_port)
    end
end

-- Return "caller", "server" or nil. Whoever sends the UUID is the caller; but one in the middle of a stream whose ends
-- the port tells apart is a server's mistake, as an echo of all frames is.
local function side_of(pinfo, kind)
    local stream, source = stream_of(pinfo)
    local by_port = caller_by_port(pinfo)
    if kind == UUID and not stream.caller and not (stream.begun and by_port) then
        stream.caller = source
    end
    stream.begun = true
    local caller = stream.caller or by_port
    return caller and (caller == source and "caller" or "server")
end

-- The info column -----------------------------------------------------------------------------------------------------

-- What the data at hand holds, in runs of frames alike: "slin x3 60 ms, dtmf 5". One packet can come here more than
-- once: a frame that it completes is given apart from those that lie in it whole, and TCP keeps what the column has.
local runs = {}

local function run_text(run)
    if run.samples and run.count == 1 then
        return string.format("%s %d samples %g ms", run.text, run.samples, run.ms)
    elseif run.samples then
        return string.format("%s x%d %g ms", run.text, run.count, run.ms)
    end
    return run.count == 1 and run.text or string.format("%s x%d", run.text, run.count)
end

local function tell(pinfo, text, samples, ms)
    local last = runs[#runs]
    if last and last.text == text then
        last.count, last.ms = last.count + 1, last.ms + (ms or 0)
    elseif #runs <= MAX_RUNS then -- the last of them stays hidden
        runs[#runs + 1] = { text = text, count = 1, samples = samples, ms = ms or 0 }
    end
    local texts = {}
    for i = 1, math.min(#runs, MAX_RUNS) do
        texts[i] = run_text(runs[i])
    end
    pinfo.cols.protocol = "AudioSocket"
    pinfo.cols.info = runs.before .. table.concat(texts, ", ") .. (#runs > MAX_RUNS and ", ..." or "")
end

-- Payloads: each adds its fields to the tree and returns what to say of the frame, and for audio samples and ms -------

local function add_audio(tree, _, frame)
    local rate = RATE_BY_KIND[frame.kind]
    local samples = math.floor(frame.length / 2)
    local ms = samples * 1000 / rate
    tree:add(f.rate, frame.header(0, 1), rate):set_generated()
    tree:add(f.samples, frame.header(1, 2), samples):set_generated()
    tree:add(f.duration_ms, frame.header(1, 2), ms):set_generated()
    if frame.length % 2 == 1 then
        tree:add_proto_expert_info(
            e.odd_length, string.format("%d bytes are not a whole number of 16-bit samples", frame.length))
    end
    if samples > MAX_SAMPLES then
        tree:add_proto_expert_info(e.long_audio, string.format(
            "%d samples in one frame: Asterisk takes at most about %d (\"Out of buffer space\")", samples, MAX_SAMPLES))
    end
    return kind_name(frame.kind), samples, ms
end

local function add_uuid(tree, range, frame)
    if frame.length == UUID_BYTES then
        if frame.captured < UUID_BYTES then
            return "uuid"
        end
        tree:add(f.uuid, range)
        local digits = tostring(range:bytes()):lower()
        return "uuid " .. digits:gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)", "%1-%2-%3-%4-")
    end
    local why = ""
    if frame.length == 36 and frame.captured == 36 and range:string():match("^[%x-]+$") then
        tree:add(f.uuid_text, range)
        why = " (it was sent as text)"
    end
    local fault = string.format("a UUID has %d bytes, not %d%s", UUID_BYTES, frame.length, why)
    tree:add_proto_expert_info(e.uuid_length, fault)
    return string.format("uuid of %d bytes", frame.length)
end

local function add_digit(tree, range, frame)
    local digit = frame.length == 1 and frame.captured == 1 and string.char(range:uint())
    if digit and digit:match("^[%d*#A-D]$") then
        tree:add(f.digit, range)
        return "dtmf " .. digit
    elseif frame.length == 1 and frame.captured == 0 then
        return "dtmf"
    end
    local shown = frame.captured > 0 and hex(range(0, math.min(frame.captured, 8))) or "of 0 bytes"
    tree:add_proto_expert_info(e.digit_payload, string.format("payload %s is not a DTMF digit", shown))
    return string.format("dtmf (%s)", shown)
end

local function error_text(range, frame)
    if frame.length == 0 then
        return "no code given"
    elseif frame.length > 1 then
        local shown = math.min(frame.captured, 8)
        return "unknown code " .. (shown > 0 and hex(range(0, shown)) or "") .. (frame.length > 8 and " ..." or "")
    end
    local unknown = range:uint()
    local meanings = {}
    for _, meaning in ipairs(ERROR_MEANINGS) do
        if math.floor(range:uint() / meaning.bit) % 2 == 1 then
            meanings[#meanings + 1] = meaning.text
            unknown = unknown - meaning.bit
        end
    end
    if unknown > 0 or #meanings == 0 then
        meanings[#meanings + 1] = string.format("unknown code 0x%02x", unknown)
    end
    return table.concat(meanings, " and ")
end

local function add_error(tree, range, frame)
    if frame.length == 1 and frame.captured == 0 then
        return "error"
    end
    if frame.length == 1 then
        local code = tree:add(f.error_code, range)
        code:add(f.error_hangup, range)
        code:add(f.error_frame, range)
        code:add(f.error_memory, range)
    end
    local text = error_text(range, frame)
    tree:add(f.error, range or frame.header, text):set_generated()
    return "error: " .. text
end

local function add_unknown(tree, _, frame)
    local why = frame.kind == OLD_SILENCE and " (silence in old libraries; no release of Asterisk sends it)" or ""
    tree:add_proto_expert_info(e.unknown_kind, string.format("unknown kind 0x%02x%s", frame.kind, why))
    return string.format("%s %d bytes", kind_name(frame.kind), frame.length)
end

local PAYLOADS = {
    [HANGUP] = function() return "hangup" end,
    [UUID] = add_uuid,
    [DTMF] = add_digit,
    [ERROR] = add_error,
}

-- Say what Asterisk does with a frame from the server (ast_audiosocket_receive_frame_with_hangup).
local function judge_server(tree, frame)
    if frame.kind == HANGUP then
        return
    end
    if not RATE_BY_KIND[frame.kind] then
        local cure = frame.kind == DTMF and "; send in-band tones instead" or ""
        tree:add_proto_expert_info(e.server_kind, string.format(
            "%s from the server ends the call since Asterisk 20.14, 21.9, 22.4 and 23.0: only audio and hangup are "
                .. "allowed%s", kind_name(frame.kind), cure))
    elseif frame.length == 0 then
        tree:add_proto_expert_info(
            e.server_empty_audio, "audio of length 0 from the server ends the call (\"Invalid message length\")")
    elseif frame.kind > 0x10 then
        tree:add_proto_expert_info(e.server_rate, string.format(
            "%s from the server needs Asterisk 20.17, 21.12, 22.7 or 23.1; older ones end the call",
            kind_name(frame.kind)))
    end
end

-- Frames --------------------------------------------------------------------------------------------------------------

-- Return how long the frame at an offset is, header included.
local function frame_bytes(tvb, _, offset)
    if tvb:captured_len() < offset + HEADER_BYTES then -- cut by the capture's snapshot length
        return math.max(HEADER_BYTES, tvb:reported_len() - offset)
    end
    return HEADER_BYTES + tvb(offset + 1, 2):uint()
end

local function dissect_frame(tvb, pinfo, root)
    local tree = root:add(audiosocket, tvb())
    if tvb:captured_len() < HEADER_BYTES then
        tell(pinfo, "cut frame")
        return tvb:captured_len()
    end
    local frame = { kind = tvb(0, 1):uint(), length = tvb(1, 2):uint(), header = tvb(0, HEADER_BYTES) }
    frame.captured = math.min(frame.length, tvb:captured_len() - HEADER_BYTES)
    local range = frame.captured > 0 and tvb(HEADER_BYTES, frame.captured) or nil

    local side = side_of(pinfo, frame.kind)
    if side then
        tree:add(f.side, frame.header, side):set_generated()
    end
    tree:add(f.kind, tvb(0, 1))
    tree:add(f.length, tvb(1, 2))
    local add_payload = PAYLOADS[frame.kind] or RATE_BY_KIND[frame.kind] and add_audio or add_unknown
    local text, samples, ms = add_payload(tree, range or frame.header, frame)
    if range then
        tree:add(f.payload, range)
    end
    if side == "server" then
        judge_server(tree, frame)
    end

    tell(pinfo, text, samples, ms)
    tree:append_text(side and string.format(", %s: ", side) or ": ")
    tree:append_text(run_text({ text = text, count = 1, samples = samples, ms = ms }))
    return tvb:captured_len()
end

local function dissect_frames(tvb, pinfo, root)
    runs = { before = pinfo.private["audiosocket"] and ", " or "" }
    dissect_tcp_pdus(tvb, root, HEADER_BYTES, frame_bytes, dissect_frame)
    if #runs > 0 then
        pinfo.private["audiosocket"] = "told"
    end
    return tvb:captured_len()
end

-- What comes to our port, or belongs to a call ------------------------------------------------------------------------

local displaced -- the dissector that had our port before; Wireshark takes 9092 for Kafka

-- Whether data is a Kafka message, or its first four bytes alone: a length, then for requests a 16-bit key and a 16-bit
-- version, both small.
local function is_kafka(tvb)
    if tvb:captured_len() < 4 or tvb(0, 2):uint() ~= 0 then
        return false
    end
    local length, left = tvb(0, 4):uint(), tvb:captured_len() - 4
    if length == tvb:reported_len() - 4 or length > 0 and left == 0 then
        return true
    end
    return length > left and left >= 4 and tvb(4, 1):uint() == 0 and tvb(6, 1):uint() == 0
end

local function is_known(kind)
    return KIND_NAMES[kind] ~= nil or kind == OLD_SILENCE
end

-- Whether data consists of whole frames, of known kinds only or of any.
local function is_whole(tvb, known_only)
    local offset = 0
    while offset + HEADER_BYTES <= tvb:captured_len() do
        if known_only and not is_known(tvb(offset, 1):uint()) then
            return false
        end
        offset = offset + HEADER_BYTES + tvb(offset + 1, 2):uint()
    end
    return offset == tvb:reported_len()
end

-- Whether the first data from an end is AudioSocket. What is not: text, as a web server's answer; TLS records, which
-- read as audio of an odd length; and kinds that nobody knows, unless they make frames that end where the data does.
local function is_ours(tvb, stream)
    local kind, length = tvb(0, 1):uint(), tvb(1, 2):uint()
    if kind >= 0x14 and kind <= 0x17 and (length == 0x0301 or length == 0x0303) then
        return false
    elseif stream.caller then
        return not tvb(0, HEADER_BYTES):string():match("^%a%a%a$")
    elseif stream.foreign then
        return is_whole(tvb, true)
    end
    return is_known(kind) or is_whole(tvb, false)
end

-- Judge an end's data until it is AudioSocket; what follows is, then, too. A capture can begin inside a frame.
local function belongs(tvb, pinfo, stream, source)
    local since = stream.ours[source]
    if since or pinfo.visited then
        return since and since <= pinfo.number
    elseif tvb:captured_len() < HEADER_BYTES then
        stream.waiting[source] = stream.waiting[source] or pinfo.number
        return true
    elseif is_ours(tvb, stream) then
        stream.ours[source] = stream.waiting[source] or pinfo.number
        return true
    end
    stream.foreign = true
    stream.waiting[source] = nil
    return false
end

-- Show what the other end of a call says in another protocol: a wrong address, most likely.
local function dissect_answer(tvb, pinfo, root)
    local text = tvb:range():string():match("^[ -~]+")
    local shown = text and string.format("\"%s\"", text:sub(1, 40)) or hex(tvb(0, math.min(tvb:captured_len(), 8)))
    local tree = root:add(audiosocket, tvb())
    tree:add_proto_expert_info(e.no_frame, string.format("answered with %s, which is not AudioSocket", shown))
    runs = { before = "" }
    tell(pinfo, "not AudioSocket: " .. shown)
    return tvb:captured_len()
end

function audiosocket.dissector(tvb, pinfo, root)
    local stream, source = stream_of(pinfo)
    if stream.kafka == nil and not pinfo.visited then
        stream.kafka = displaced ~= nil and not stream.caller and is_kafka(tvb)
    end
    if stream.kafka then
        return displaced:call(tvb, pinfo, root)
    elseif belongs(tvb, pinfo, stream, source) then
        return dissect_frames(tvb, pinfo, root)
    elseif stream.caller then
        return dissect_answer(tvb, pinfo, root)
    end
    return 0 -- others may know it
end

-- What comes to other ports -------------------------------------------------------------------------------------------

local OPENING = { UUID, 0, UUID_BYTES }

-- Whether data may follow a UUID frame: nothing, or the start of a frame as a caller sends it.
local function may_follow(tvb)
    local left = tvb:captured_len()
    if left == 0 then
        return true
    end
    local kind = tvb(0, 1):uint()
    if left < HEADER_BYTES then
        return (RATE_BY_KIND[kind] or kind == DTMF) and (left < 2 or tvb(1, 1):uint() < 0x40)
    end
    local length = tvb(1, 2):uint()
    if RATE_BY_KIND[kind] then
        return length > 0 and length <= 2 * MAX_SAMPLES
    end
    return kind == DTMF and length == 1 or kind == HANGUP and length == 0 or kind == ERROR and length <= 1
end

-- Whether data opens a call: true, false, or nil when too little is there but all of it fits.
local function opens_call(tvb)
    local size = tvb:captured_len()
    for i = 1, math.min(size, HEADER_BYTES) do
        if tvb(i - 1, 1):uint() ~= OPENING[i] then
            return false
        end
    end
    if size < HEADER_BYTES + UUID_BYTES then
        return nil
    end
    return size == HEADER_BYTES + UUID_BYTES or may_follow(tvb(HEADER_BYTES + UUID_BYTES):tvb())
end

local function recognise(tvb, pinfo, root)
    local stream, source = stream_of(pinfo)
    stream.first[source] = stream.first[source] or pinfo.number
    local is_first = pinfo.number == stream.first[source] or stream.waiting[source] or not stream.number
    local opens = is_first and not stream.foreign and opens_call(tvb)
    if opens == nil and pinfo.can_desegment > 0 then
        stream.waiting[source] = stream.waiting[source] or pinfo.number
        pinfo.desegment_offset = 0
        pinfo.desegment_len = HEADER_BYTES + UUID_BYTES - tvb:captured_len()
        return true
    elseif not opens then
        stream.waiting[source] = nil
        return false -- a call opens with its UUID, and with nothing before it
    end
    stream.ours[source] = stream.ours[source] or stream.waiting[source] or pinfo.number
    pinfo.conversation = audiosocket
    dissect_frames(tvb, pinfo, root)
    return true
end

audiosocket:register_heuristic("tcp", recognise)

local ports = DissectorTable.get("tcp.port")
local registered_port = 0

local function register_port(port)
    if registered_port > 0 then
        ports:remove(registered_port, audiosocket)
        if displaced then
            ports:add(registered_port, displaced)
        end
    end
    registered_port = port
    if port > 0 then
        displaced = ports:get_dissector(port)
        ports:add(port, audiosocket)
    end
end

function audiosocket.prefs_changed()
    if audiosocket.prefs.port ~= registered_port then
        register_port(audiosocket.prefs.port)
    end
end

register_port(DEFAULT_PORT)
