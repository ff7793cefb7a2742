"""Faults made on purpose in calls that are passed on: what a bad network, or a faulty peer, would do to them.

fault_spec      what faults there are, and how they are written
fault_plan      which calls get which; drawn_fault: one of one call
frame_faults    single frames: dropped, corrupted, of a wrong kind
timing          later, slower, in pieces, together, not at all
fault_line      one direction: what waits, what is due, what is said of it
faulted_relay   a relay with such lines
"""
