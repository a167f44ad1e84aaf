# Copyright (C) the Warren authors
#
# The mailbox of everybody for ./dev up: an SMTP server (aiosmtpd) on the
# loopback that writes each mail into a file, as one reads it:
#
#     mailbox.py PORT FOLDER
#
# Mails have links that open accounts, so files are for their owner alone.

import asyncio
import datetime
import email
import email.policy
import os
import re
import signal
import sys

from aiosmtpd.smtp import SMTP

port = int(sys.argv[1])
folder = sys.argv[2]

os.umask(0o077)
os.makedirs(folder, exist_ok=True)


def keep(recipient, content):
    mail = email.message_from_bytes(content, policy=email.policy.default)
    body = mail.get_body(('plain',))
    text = body.get_content().replace('\r\n', '\n') if body else ''
    now = datetime.datetime.now(datetime.timezone.utc)
    path = os.path.join(folder, '%s-%s.txt' % (
        now.strftime('%Y%m%dT%H%M%S.%f'),
        re.sub(r'[^A-Za-z0-9.@+_-]', '_', recipient)[:120]))

    with open(path + '.part', 'w', encoding='utf-8') as file:
        for name in ('From', 'To', 'Subject', 'Date'):
            file.write('%s: %s\n' % (name, mail[name]))

        file.write('\n' + text)

    os.rename(path + '.part', path)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        try:
            for recipient in envelope.rcpt_tos:
                keep(recipient, envelope.original_content)

        except OSError as error:
            print('a mail was not kept:', error, flush=True)
            return '452 4.3.1 it cannot be kept'

        return '250 OK'


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Handler(), hostname='localhost'), '127.0.0.1', port)
    stop = asyncio.Event()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    print('e-mail is taken on 127.0.0.1:%d' % port, flush=True)
    await stop.wait()
    server.close()


asyncio.run(serve())
