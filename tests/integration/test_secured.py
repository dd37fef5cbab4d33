"""Goal: a broker that asks for TLS and a password is reached by every client of ours, and only with
the right ones.

Method: the real Kafka with a listener that speaks SASL over TLS, its certificate made by keytool,
which comes with every Java. Commands and roles as people start them: `topics` and `lag` use
kafka-python, `publish` librdkafka, intake and worker Faust (aiokafka) beside it.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import started
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from roles import ROOT, Roles, eventually

from servers import fetch
from servers.kafka import Kafka
from servers.process import LOOPBACK, free_port
from servers.redis import Redis
from storage import kafka_topics
from streams.cli import invoke

pytestmark = pytest.mark.integration
USER, PASSWORD = "xinfeng", "correct horse"
EXAMPLE = ROOT / "docs/example/restaurant.ndjson"
SUBJECT = "91500106MA60AB125D"
LOGIN = "org.apache.kafka.common.security"


class Secured(Kafka):
    """Beside its plain listener one that asks for a password, over TLS."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, free_port())
        self.secured = f"{LOOPBACK}:{free_port()}"

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    def prepare(self) -> None:
        keys = self.folder / "keys.p12"
        subprocess.run([
            str(fetch.java().with_name("keytool")), "-genkeypair", "-alias", "broker",
            "-keystore", str(keys), "-storetype", "PKCS12", "-storepass", "of the tests",
            "-keyalg", "EC", "-dname", "CN=broker", "-validity", "2",
            "-ext", f"san=ip:{LOOPBACK}"], check=True, capture_output=True)
        super().prepare()
        plain = self.settings_file.read_text("utf-8")
        listeners = next(x for x in plain.splitlines() if x.startswith("listeners="))
        # The last of two lines with one key counts.
        self.settings_file.write_text(plain + "\n".join([
            f"{listeners},SECURED://{self.secured}",
            f"advertised.listeners=PLAINTEXT://{self.address},SECURED://{self.secured}",
            "listener.security.protocol.map="
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL",
            "listener.name.secured.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
            f"listener.name.secured.plain.sasl.jaas.config={LOGIN}.plain.PlainLoginModule required "
            f'user_{USER}="{PASSWORD}";',
            f"listener.name.secured.scram-sha-256.sasl.jaas.config={LOGIN}.scram.ScramLoginModule "
            "required;",
            f"listener.name.secured.ssl.keystore.location={keys}",
            "listener.name.secured.ssl.keystore.password=of the tests", ""]), "utf-8")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with started(Secured(tmp_path_factory.mktemp("secured"))) as server:
        admin = AdminClient({"bootstrap.servers": server.address})
        admin.alter_user_scram_credentials([UserScramCredentialUpsertion(
            USER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096),
            PASSWORD.encode())])[USER].result(30)
        host, _, port = server.secured.partition(":")
        # Signed by itself: the certificate is its own authority.
        server.authority.write_text(ssl.get_server_certificate((host, int(port))), "ascii")
        yield server


@pytest.fixture
def site(broker: Secured, redis_server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
         ) -> Iterator[Callable[[str], Roles]]:
    """A site by the name of its mechanism; the password comes from the environment."""
    for variable in ("XINFENG_KAFKA", "XINFENG_REDIS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XINFENG_KAFKA_PASSWORD", PASSWORD)
    made: list[Roles] = []

    def make(mechanism: str) -> Roles:
        one = Roles(tmp_path, prefix=f"sec-{mechanism}".lower(), partitions=1, feed_partitions=1,
                    feed_time="broker", kafka=broker.secured, redis_url=redis_server.address)
        one.path.write_text(one.path.read_text("utf-8").replace("[redis]", (
            f'security_protocol = "SASL_SSL"\nsasl_mechanism = "{mechanism}"\n'
            f'sasl_username = "{USER}"\nssl_ca = "{broker.authority}"\n[redis]')), "utf-8")
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def test_every_client_proves_who_it_is(site: Callable[[str], Roles],
                                       capsys: pytest.CaptureFixture[str]) -> None:
    here = site("SCRAM-SHA-256")
    given = ["--settings", str(here.path)]
    assert invoke(["topics", "create", *given]) == 0
    assert invoke(["publish", str(EXAMPLE), *given]) == 0
    for role in ("intake", "worker"):
        here.start(role)

    def taken() -> bool:
        capsys.readouterr()
        assert invoke(["lag", "--json", *given]) == 0
        rows = [json.loads(x) for x in capsys.readouterr().out.splitlines()]
        return sum(r["done"] for r in rows) > 10 and not any(
            r["lag"] for r in rows if r["topic"] != here.topics.log)

    eventually(taken)
    eventually(lambda: invoke(["show", SUBJECT, "--store", here.store]) == 0)
    assert not here.dead()


@pytest.mark.parametrize(("wrong", "why"), [
    ("password", "Invalid username or password"), ("authority", "certificate"),
    ("protocol", "does not answer to kafka.security_protocol=SASL_PLAINTEXT")])
def test_what_is_wrong_is_said(site: Callable[[str], Roles], monkeypatch: pytest.MonkeyPatch,
                               capsys: pytest.CaptureFixture[str], wrong: str,
                               why: str) -> None:
    """In one line, not as a broker that is away."""
    here = site("PLAIN")
    text = here.path.read_text("utf-8")
    assert invoke(["topics", "check", "--settings", str(here.path)]) == 2
    assert "missing" in capsys.readouterr().out
    monkeypatch.setattr(kafka_topics, "BOOTSTRAP_MS", 500)  # it gets no answer, however long
    match wrong:
        case "password":
            monkeypatch.setenv("XINFENG_KAFKA_PASSWORD", "guessed")
        case "authority":
            text = "".join(x for x in text.splitlines(True) if not x.startswith("ssl_ca"))
        case _:
            text = text.replace('"SASL_SSL"', '"SASL_PLAINTEXT"')
    here.path.write_text(text, "utf-8")
    for words in (["publish", str(EXAMPLE)], ["intake"]):
        assert invoke([*words, "--settings", str(here.path)]) == 2
        said = capsys.readouterr().err
        assert said.startswith("xinfeng: kafka.servers=") and said.count("\n") == 1, said
        assert why in said
