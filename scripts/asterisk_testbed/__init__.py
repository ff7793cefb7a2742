"""A real Asterisk that places test calls at an AudioSocket server.

It uses the Asterisk installed on this machine when that one is recent enough and has the AudioSocket modules, else one
in a chroot made with mmdebstrap. Either way it runs with a private configuration: it opens no port, touches no file of
another Asterisk, and everything it writes lies in one folder.

A call has two legs. The near leg runs AudioSocket() or Dial(AudioSocket/...) and so talks to your server. The far leg
is the caller: it works through a script of steps, such as playing a tone, sending digits or recording what it hears.
"""
