"""Import and download of lvs.cf, the first cluster, the frame."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from lvs import models, store
from lvs.config import writer
from lvs.config.model import HealthCheck, PortRange
from lvs.config.reader import read
from lvs.management.commands.lab_cluster import LAB
from tests.web.conftest import CONFIG, SHOP
from tests.web.pages import fields_in, fields_of, text_of

MAIL = writer.write(replace(CONFIG, virtual_servers=(replace(SHOP, name="mail & more"),)))


def test_a_good_file_is_shown_with_its_changes_and_not_yet_taken(
    administrator: Client, cluster: models.Cluster
) -> None:
    response = administrator.post("/import", {"text": MAIL})

    assert "add virtual server mail &amp; more" in text_of(response)
    assert "remove virtual server shop" in text_of(response)
    assert store.load(cluster) == CONFIG


def test_a_confirmed_file_is_the_candidate(administrator: Client, cluster: models.Cluster) -> None:
    cluster.refresh_from_db()

    response = administrator.post(
        "/import/confirm", {"text": MAIL, "edition": cluster.edition, "verb": "replace"}, follow=True
    )

    assert "Imported 1 virtual server." in text_of(response)
    assert [one.name for one in store.load(cluster).virtual_servers] == ["mail & more"]


BASE = replace(SHOP, fwmark=80)
SHARED = writer.write(
    replace(
        CONFIG,
        virtual_servers=(
            replace(BASE, name="shop-http"),
            replace(BASE, name="shop-https", port=443, check=HealthCheck()),
        ),
    )
)


def confirmed(client: Client, cluster: models.Cluster, text: str, verb: str) -> str:
    cluster.refresh_from_db()
    fields = {"text": text, "edition": cluster.edition, "verb": verb}
    return text_of(client.post("/import/confirm", fields, follow=True))


def test_virtual_servers_of_one_mark_are_joined_when_that_is_asked_and_looked_at_before_they_are_taken(
    administrator: Client, cluster: models.Cluster
) -> None:
    page = text_of(administrator.post("/import", {"text": SHARED}))
    assert "This file cannot be imported" in page
    assert "shop-https joins shop-http: ports 80, 443 by firewall mark 80." in page
    assert "shop-http decides, not shop-https, about: the check." in page
    assert 'value="join"' in page

    page = confirmed(administrator, cluster, SHARED, "join")
    assert "Joined:" in page
    assert "cannot be imported" not in page
    assert 'value="join"' not in page
    assert store.load(cluster) == CONFIG
    fields = fields_in(page)

    confirmed(administrator, cluster, fields["text"], "replace")
    (one,) = store.load(cluster).virtual_servers
    assert (one.name, one.port, one.ports, one.fwmark) == ("shop-http", 80, (PortRange(443, 443),), 80)


def test_virtual_servers_of_one_mark_that_cannot_be_joined_are_named_with_the_remedy(
    administrator: Client, cluster: models.Cluster
) -> None:
    text = SHARED.replace("scheduler = wlc", "scheduler = rr", 1)

    page = text_of(administrator.post("/import", {"text": text}))

    assert "shop-https cannot be joined with shop-http" in page
    assert "its scheduler is wlc, that of shop-http is rr" in page
    assert "(fwmark = 81 is free)" in page
    assert 'value="join"' not in page
    assert "Joined:" not in confirmed(administrator, cluster, text, "join")


def test_a_file_that_could_not_be_read_whole_is_not_joined(
    administrator: Client, cluster: models.Cluster
) -> None:
    text = f"wobble = 2\n{SHARED}"

    page = text_of(administrator.post("/import", {"text": text}))

    assert "wobble" in page
    assert 'value="join"' not in page
    assert "wobble" in fields_in(confirmed(administrator, cluster, text, "join"))["text"]


def test_an_uploaded_file_in_latin_1_is_taken_with_a_note(
    administrator: Client, cluster: models.Cluster
) -> None:
    content = ("# Gerät\n" + MAIL).encode("latin-1")

    response = administrator.post("/import", {"file": SimpleUploadedFile("lvs.cf", content), "text": ""})

    assert "taken as Latin-1" in text_of(response)
    assert "# Gerät" in text_of(response)


def test_a_faulty_file_is_shown_with_every_line_and_cannot_be_taken(
    administrator: Client, cluster: models.Cluster
) -> None:
    text = "serial_no = 1\nwobble = 2\nnetwork = carrier\n"

    response = administrator.post("/import", {"text": text})

    page = text_of(response)
    assert "line 2" in page
    assert "line 3" in page
    assert 'value="replace"' not in page
    cluster.refresh_from_db()
    administrator.post("/import/confirm", {"text": text, "edition": cluster.edition, "verb": "replace"})
    assert store.load(cluster) == CONFIG


def test_a_file_mended_on_the_page_is_checked_again(administrator: Client, cluster: models.Cluster) -> None:
    cluster.refresh_from_db()

    response = administrator.post(
        "/import/confirm", {"text": MAIL, "edition": cluster.edition, "verb": "check"}
    )

    assert 'value="replace"' in text_of(response)
    assert store.load(cluster) == CONFIG


def test_an_import_does_not_overwrite_what_somebody_changed_meanwhile(
    administrator: Client, shop: models.VirtualServer
) -> None:
    shop.cluster.refresh_from_db()
    edition = shop.cluster.edition
    shop.deactivate()

    response = administrator.post("/import/confirm", {"text": MAIL, "edition": edition, "verb": "replace"})

    assert "Somebody changed the configuration meanwhile" in text_of(response)
    assert [one.name for one in store.load(shop.cluster).virtual_servers] == ["shop"]


def test_an_import_of_nothing_says_so(administrator: Client, cluster: models.Cluster) -> None:
    assert "nothing to import" in text_of(administrator.post("/import", {"text": " \n"}))


def test_a_file_of_another_size_altogether_is_refused(administrator: Client, cluster: models.Cluster) -> None:
    content = SimpleUploadedFile("film", b"#" * (8 * 1024 * 1024 + 1))

    response = administrator.post("/import", {"file": content, "text": ""})

    assert "larger than 8 MB" in text_of(response)


def test_what_is_downloaded_is_what_was_saved(administrator: Client, cluster: models.Cluster) -> None:
    response = administrator.get("/lvs.cf")

    assert response["Content-Disposition"] == 'attachment; filename="lvs.cf"'
    assert read(text_of(response)).config == CONFIG


def test_a_revision_is_downloaded_as_the_routers_got_it(
    administrator: Client, cluster: models.Cluster
) -> None:
    revision = store.freeze(cluster, author="anna", message="")

    assert text_of(administrator.get("/history/1/lvs.cf")) == revision.lvs_cf
    assert administrator.get("/history/2/lvs.cf").status_code == 404


def test_without_a_cluster_every_panel_leads_to_the_first_step(administrator: Client) -> None:
    for address in (
        "/",
        "/global-settings",
        "/redundancy",
        "/virtual-servers",
        "/virtual-servers/add",
        "/import",
    ):
        assert administrator.get(address)["Location"] == "/clusters/new"
    assert "The first step" in text_of(administrator.get("/clusters/new"))


def test_the_first_step_makes_a_cluster_and_leads_to_its_settings(administrator: Client) -> None:
    fields = fields_of(administrator, "/clusters/new") | {"name": "my shop", "primary": "r1", "backup": "r2"}

    response = administrator.post("/clusters/new", fields)

    assert response["Location"] == "/global-settings"
    made = models.Cluster.objects.get()
    assert [(one.name, one.node) for one in made.routers.all()] == [("r1", "primary"), ("r2", "backup")]


def test_a_cluster_with_faulty_names_is_not_made(administrator: Client, cluster: models.Cluster) -> None:
    for fields, field in (
        ({"name": "lab", "primary": "x1"}, "name"),
        ({"name": "new", "primary": "r1"}, "primary"),
        ({"name": "new", "primary": "x1", "backup": "x1"}, "backup"),
        ({"name": "new", "primary": "two words"}, "primary"),
        ({"name": "new"}, "primary"),
    ):
        response = administrator.post("/clusters/new", fields)
        assert field in response.context["form"].errors
    assert models.Cluster.objects.count() == 1


def test_the_cluster_in_view_is_chosen(administrator: Client, cluster: models.Cluster) -> None:
    other = store.create_cluster("other", "x1")
    assert administrator.get("/help").context["cluster"] == cluster

    administrator.post("/clusters/choose", {"cluster": other.pk})

    assert administrator.get("/help").context["cluster"] == other
    assert administrator.post("/clusters/choose", {"cluster": "none"}).status_code == 404
    assert administrator.post("/clusters/choose", {"cluster": "9" * 5000}).status_code == 404


def test_every_page_counts_what_is_pending_and_links_to_it(
    administrator: Client, shop: models.VirtualServer
) -> None:
    store.freeze(shop.cluster, author="anna", message="")
    assert "no pending changes" in text_of(administrator.get("/help"))

    shop.deactivate()

    page = text_of(administrator.get("/help"))
    assert "1 pending change<" in page
    assert 'href="/review"' in page


def test_the_lab_cluster_is_made_once_and_could_be_applied(administrator: Client) -> None:
    call_command("lab_cluster", stdout=StringIO())
    made = models.Cluster.objects.get()
    assert store.load(made) == LAB
    assert store.freeze(made, author="anna", message="").number == 1

    call_command("lab_cluster", stdout=StringIO())

    assert models.Cluster.objects.count() == 1
