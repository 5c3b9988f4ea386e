"""What the servers of pages share: who may come in, how much they may bring, and what they are told.

`sockets` listens, `names` knows by which names, `guard` stands before an application, `password` opens to those who
know it, `running` runs the server, `allowance` counts messages. `kinebeat.live` and `kinebeat.studio` use it.
"""
