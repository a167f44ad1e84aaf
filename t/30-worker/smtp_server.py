# Copyright (C) the Warren authors
#
# An SMTP server (aiosmtpd) that keeps what it gets in a folder, one file a
# mail, and writes its port to the file "port" there:
#
#     smtp_server.py FOLDER [CERTIFICATE KEY USER PASSWORD]
#
# With a certificate it insists on STARTTLS and on a login.  Recipients that
# begin with "nobody" are refused for good; those that begin with "later", as
# long as the folder has a file "later".  As long as it has a file "closed",
# nobody is served.

import asyncio
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder = sys.argv[1]
secure = len(sys.argv) > 2


class Handler:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('nobody'):
            return '550 5.1.1 there is no such mailbox'

        if (address.startswith('later')
                and os.path.exists(os.path.join(folder, 'later'))):
            return '451 4.2.0 come again'

        envelope.rcpt_tos.append(address)
        return '250 OK'

    async def handle_DATA(self, server, session, envelope):
        Handler.count += 1
        path = os.path.join(folder, '%04d' % Handler.count)

        with open(path + '.part', 'wb') as file:
            file.write(b'MAIL %s\nRCPT %s\nTLS %s\n' % (
                envelope.mail_from.encode(), envelope.rcpt_tos[0].encode(),
                b'yes' if session.ssl else b'no'))
            file.write(envelope.original_content)

        os.rename(path + '.part', path + '.mail')
        return '250 OK'


class Closed(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b'554 5.3.2 no service for you\r\n')
        transport.close()


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == sys.argv[4].encode()
                      and data.password == sys.argv[5].encode())


options = {}

if secure:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    options = dict(tls_context=context, require_starttls=True,
                   authenticator=authenticate, auth_required=True)


def connection():
    if os.path.exists(os.path.join(folder, 'closed')):
        return Closed()

    return SMTP(Handler(), hostname='localhost', **options)


async def serve():
    server = await asyncio.get_running_loop().create_server(
        connection, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]

    with open(os.path.join(folder, 'port.part'), 'w') as file:
        file.write('%d\n' % port)

    os.rename(os.path.join(folder, 'port.part'), os.path.join(folder, 'port'))
    await server.serve_forever()


asyncio.run(serve())
