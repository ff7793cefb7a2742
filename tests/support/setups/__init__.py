"""Set-ups of Asterisk and a server, broken ones and healthy ones, and whether `audiosocket doctor` tells what they are.

machine     a computer of its own, with a real Asterisk on it: namespaces for network, processes and files
phone       a SIP phone, as a program: it talks, holds, is mute, sends comfort noise
servers     small servers that each have one fault, as a program
setup       what a set-up is made of, and what is true about it
broken      the broken ones
healthy     the healthy ones
verdict     what doctor said, held against the truth
"""
