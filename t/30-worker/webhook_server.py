# Copyright (C) the Warren authors
#
# Receives webhooks: keeps each request in a folder, one file each, and writes
# its port to the file "port" there:
#
#     webhook_server.py FOLDER [CERTIFICATE KEY]
#
# The path says how it answers: /ok, /gone, /redirect, /long (without an end),
# and anything else with 500 while the folder has a file "fails".

import http.server
import os
import ssl
import sys

folder = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    count = 0

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        Handler.count += 1
        path = os.path.join(folder, '%04d' % Handler.count)

        with open(path + '.part', 'wb') as file:
            file.write(('%s\n%s' % (self.path, self.headers)).encode())
            file.write(body)

        os.rename(path + '.part', path + '.post')
        self.answer()

    def answer(self):
        fails = os.path.exists(os.path.join(folder, 'fails'))
        status = {'/gone': 410, '/redirect': 302, '/ok': 200,
                  '/long': 200}.get(self.path, 500 if fails else 204)

        self.send_response(status)

        if self.path == '/redirect':
            self.send_header('Location', '/ok')

        if self.path != '/long':
            if status != 204:
                self.send_header('Content-Length', '0')
            self.end_headers()
            return

        self.end_headers()

        try:
            while True:
                self.wfile.write(b'x' * 65536)
        except OSError:
            self.close_connection = True


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)

if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)

with open(os.path.join(folder, 'port.part'), 'w') as file:
    file.write('%d\n' % server.server_address[1])

os.rename(os.path.join(folder, 'port.part'), os.path.join(folder, 'port'))
server.serve_forever()
