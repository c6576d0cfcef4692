"""A mail server of a test's own (aiosmtpd): listens on a free port of this machine, says which, and writes each mail to a
file of its own. Arguments: the folder for mail; then certificate, key, and "starttls" or "implicit": TLS is then required, as is the
login of "shop" with "a long secret". As long as there is a file named "busy" in the folder, it takes no mail.
"""

import asyncio
import os
import socket
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

folder = sys.argv[1]
context = None
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])


class Folder:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        if os.path.exists(os.path.join(folder, "busy")):
            return "451 come back later"
        Folder.count += 1
        part = os.path.join(folder, f"{Folder.count:04}.part")
        with open(part, "wb") as file:
            file.write(b"X-To: " + ",".join(envelope.rcpt_tos).encode() + b"\n" + envelope.original_content)
        os.rename(part, part.replace(".part", ".eml"))
        return "250 taken"


def authenticator(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"shop", b"a long secret")
    return AuthResult(success=right)


implicit = context is not None and sys.argv[4] == "implicit"


def protocol():
    login = {"auth_required": True, "authenticator": authenticator} if context else {}
    if context and not implicit:
        login |= {"require_starttls": True, "tls_context": context}
    if implicit:
        # The connection is protected before it begins to speak.
        login |= {"auth_require_tls": False}
    return SMTP(Folder(), hostname="localhost", **login)


async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(protocol, sock=listener, ssl=context if implicit else None)
    print(listener.getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
