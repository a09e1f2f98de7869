"""The path of a connection as text, table and HTML."""

from labkit.mesh.explain import hops
from labkit.mesh.explain.hops import Hop, Path
from labkit.views.connectionpath import ConnectionPaths

PATH = Path(
    title="curl calls ratings:9080",
    hops=(
        Hop(role=hops.CLIENT, name="curl-x", sends=hops.ON_THE_NODE),
        Hop(role=hops.ZTUNNEL, name="node one", identity="cluster.local/ns/default/sa/curl", sends=hops.TUNNEL),
        Hop(role=hops.ZTUNNEL, name="node one", sends=hops.ON_THE_NODE, policies=("AuthorizationPolicy default/a",)),
        Hop(role=hops.SERVER, name="ratings-<b>x</b>"),
    ),
    notes=("someone is gone around",),
)


def test_a_row_a_hop():
    frame = ConnectionPaths(paths=[PATH]).table()
    assert frame["at"].tolist() == [hops.CLIENT, hops.ZTUNNEL, hops.ZTUNNEL, hops.SERVER]
    assert frame["speaks as"].tolist() == ["nobody", "cluster.local/ns/default/sa/curl", "nobody", "nobody"]
    assert frame["asks"].tolist()[2] == "AuthorizationPolicy default/a"


def test_names_never_become_markup():
    html = ConnectionPaths(paths=[PATH])._repr_html_()
    assert "<b>x</b>" not in html
    assert "ratings-&lt;b&gt;x" in html


def test_encryption_is_told_in_words_and_by_a_line():
    html = ConnectionPaths(paths=[PATH])._repr_html_()
    assert hops.TUNNEL in html
    assert "solid" in html


def test_plain_text_has_a_broken_line():
    plain = Path(title="out", hops=(Hop(role=hops.CLIENT, name="a", sends=hops.IN_THE_OPEN),))
    assert "dashed" in ConnectionPaths(paths=[plain])._repr_html_()


def test_two_paths_stand_side_by_side_with_their_notes():
    both = ConnectionPaths(paths=[PATH, Path(title="with sidecars", hops=PATH.hops[:1])])
    assert both._repr_html_().count("<section") == 2
    assert "! curl calls ratings:9080: someone is gone around" in repr(both)
