"""An OpenID Connect provider that issues tokens for client credentials, signed with a key that it shows (oauth2-mock-server, by npm)."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loadtest.kafka_broker import lasting_port

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "9.3.0"
CLIENT, SECRET = "betrace", "client-secret"
# What a token may be asked for: Kafka, or something else.
SCOPE, OTHER_SCOPE = "kafka", "elsewhere"
_FOLDER = Path.home() / ".cache" / "betrace" / f"oauth2-mock-server-{VERSION}"
_INSTALL_TIMEOUT_S = 300.0
# Who does not know the secret, or asks for another scope, gets no token.
_PROGRAM = f"""
import {{ OAuth2Server }} from 'oauth2-mock-server'
const server = new OAuth2Server()
await server.issuer.keys.generate('RS256')
const known = 'Basic ' + Buffer.from('{CLIENT}:{SECRET}').toString('base64')
server.service.on('beforeTokenSigning', (token, request) => {{
  token.payload.sub = '{CLIENT}'
  token.payload.aud = request.body.scope
}})
server.service.on('beforeResponse', (answer, request) => {{
  if (request.headers.authorization !== known || !['{SCOPE}', '{OTHER_SCOPE}'].includes(request.body.scope)) {{
    answer.statusCode = 401
    answer.body = {{ error: 'invalid_client' }}
  }}
}})
await server.start(Number(process.argv[1]), '127.0.0.1')
console.log(server.issuer.url)
"""


class NoIssuer(Exception):  # noqa: N818 - it says what is so
    """The provider cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A provider that is up: `name` is what it calls itself in its tokens, `audience` whom they are for."""

    name: str
    url: str
    audience: str = SCOPE

    @property
    def token_url(self) -> str:
        """Where tokens are to be had."""
        return f"{self.url}/token"

    @property
    def keys_url(self) -> str:
        """Where its keys are shown (JWKS)."""
        return f"{self.url}/jwks"


@contextmanager
def issuer() -> Iterator[Issuer]:
    """Start the provider. Raises NoIssuer where Node or the package cannot be had."""
    _install()
    port = lasting_port()
    command = ["node", "--input-type=module", "-e", _PROGRAM, str(port)]
    with subprocess.Popen(command, cwd=_FOLDER, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            name = process.stdout.readline().strip()
            if not name:
                raise NoIssuer(f"oauth2-mock-server ended with {process.wait()}")
            yield Issuer(name, f"http://127.0.0.1:{port}")
        finally:
            process.kill()


def _install() -> None:
    if (_FOLDER / "complete").exists():
        return
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise NoIssuer("an OpenID Connect provider of a test's own needs Node and npm")
    _FOLDER.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(_FOLDER), f"oauth2-mock-server@{VERSION}"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_TIMEOUT_S)
    except (subprocess.SubprocessError, OSError) as error:
        raise NoIssuer(f"npm could not install oauth2-mock-server: {error}") from error
    (_FOLDER / "complete").touch()
