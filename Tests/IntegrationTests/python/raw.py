"""A call whose request is given as bytes."""

from client import Client, connect


def run(socket, method, request):
    with connect(socket) as channel:
        print(Client(channel).raw(method)(bytes.fromhex(request)).hex())
    return 0
