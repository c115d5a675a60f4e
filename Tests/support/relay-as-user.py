"""A relay between two Unix sockets, whose connections the kernel sees as those of another user.

    relay-as-user.py SOCKET TARGET UID

It listens on SOCKET, and hands each connection's bytes on to TARGET, to which it connects as the user.
Only root may name another user than its own.
"""

import os
import socket
import sys
import threading

own, target, uid = sys.argv[1], sys.argv[2], int(sys.argv[3])
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(own)
if uid != os.geteuid():
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
# It begins to accept only now, so that whoever connects finds the other user.
listener.listen()


def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end, how in [(source, socket.SHUT_RD), (sink, socket.SHUT_WR)]:
        try:
            end.shutdown(how)
        except OSError:
            pass


while True:
    near, _ = listener.accept()
    far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    far.connect(target)
    for pair in [(near, far), (far, near)]:
        threading.Thread(target=copy, args=pair, daemon=True).start()
