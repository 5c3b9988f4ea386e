from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("onnx", reason="the [train] extra is not installed")

from kinebeat.beats import export, network  # noqa: E402
from kinebeat.beats.batches import WINDOW  # noqa: E402
from kinebeat.beats.network import CENTRE, JOINTS, SHAPES, SKELETON, VARIANTS, BeatNet, NetConfig  # noqa: E402
from kinebeat.weights.sessions import open_session  # noqa: E402

pytestmark = pytest.mark.train
SMALL = NetConfig(channels=(8,) * 10, kernels=(5,) * 10, width=16, tcn_dilations=(1, 2, 4), dropout=0.0)


def small(model, seed=0):
    torch.manual_seed(seed)
    return BeatNet(replace(SMALL, model=model)).eval()


def given(frames=128, clips=2, seed=0):
    """Velocities and what is seen; the second clip's last second shows nobody."""
    rng = torch.Generator().manual_seed(seed)
    velocity = torch.randn(clips, frames, JOINTS, 2, generator=rng)
    seen = (torch.rand(clips, frames, JOINTS, generator=rng) < 0.8).float()
    seen[-1, -60:] = 0
    return velocity, seen


# The graph


def test_the_partition_is_the_skeleton_by_distance_from_its_centre():
    own, nearer, further = network.spatial_partition()
    assert np.array_equal(own, np.eye(JOINTS))
    assert np.array_equal(nearer, further.T)
    assert (nearer + further).sum() == 2 * len(SKELETON.bones)
    towards = {
        joint: {SKELETON.joints[v] for v in np.flatnonzero(nearer[i])} for i, joint in enumerate(SKELETON.joints)
    }
    assert towards[CENTRE] == set()
    assert all(len(found) == 1 for joint, found in towards.items() if joint != CENTRE)
    assert towards["left_wrist"] == {"left_elbow"}
    assert towards["right_big_toe"] == {"right_ankle"}
    assert towards["nose"] == {"neck"}
    neck = {SKELETON.joints[v] for v in np.flatnonzero(further[SKELETON.index("neck")])}
    assert neck == {"nose", "left_shoulder", "right_shoulder"}


def test_the_graph_takes_the_mean_over_the_neighbours_that_are_seen():
    encoder = small("stgcn").encoder
    seen = torch.ones(1, 4, JOINTS)
    hidden = [SKELETON.index(joint) for joint in ("nose", "left_elbow")]
    seen[..., hidden] = 0
    graph = encoder.graph(seen)[0, 0].unflatten(0, (JOINTS, 3))
    assert (graph[..., hidden] == 0).all()
    neck = graph[SKELETON.index("neck"), 2]
    shoulders = [SKELETON.index(f"{side}_shoulder") for side in ("left", "right")]
    assert neck[shoulders].tolist() == [0.5, 0.5]
    assert float(neck.sum()) == 1
    assert float(graph[SKELETON.index("left_wrist"), 1].sum()) == 0  # its elbow is not seen


# The networks


@pytest.mark.parametrize("model", VARIANTS)
def test_every_network_gives_a_logit_a_frame(model):
    net = small(model)
    for frames in (4, 128, WINDOW):
        velocity, seen = given(frames)
        logits = net(velocity, seen.bool())
        assert logits.shape == (2, frames)
        assert torch.isfinite(logits).all()
    assert torch.isfinite(net(velocity, torch.zeros_like(seen))).all()


@pytest.mark.parametrize("model", VARIANTS)
def test_what_is_not_seen_does_not_matter_and_that_it_is_not_seen_does(model):
    net = small(model)
    velocity, seen = given()
    hidden = seen[..., None] == 0
    with torch.no_grad():
        expected = net(velocity, seen)
        for garbage in (1e6, float("nan"), float("inf")):
            assert torch.equal(net(torch.where(hidden, torch.tensor(garbage), velocity), seen), expected)
        at_rest = net(torch.where(hidden, torch.tensor(0.0), velocity), torch.ones_like(seen))
    assert (at_rest - expected).abs().max() > 1e-3


@pytest.mark.parametrize("model", [name for name, parts in VARIANTS.items() if parts.transformer])
def test_frames_without_anybody_are_not_attended_to(model):
    net = small(model)
    velocity, seen = given(256, clips=1)
    seen[:, 128:] = 0
    features = net.features(velocity, seen)
    changed = features.clone()
    changed[:, 40:, ::2] += 5.0
    with torch.no_grad():
        assert net.logits(changed, seen)[:, :96] == pytest.approx(net.logits(features, seen)[:, :96], abs=1e-5)
        everybody = torch.ones_like(seen)
        assert (net.logits(changed, everybody) - net.logits(features, everybody))[:, :96].abs().max() > 1e-3


def test_frames_that_are_alike_are_similar():
    net = network.SelfSimilarity(4)
    features = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0))
    features[0, 5] = features[0, 1]
    features[0, 3] = features[0, 1] + 0.01
    features[0, 2] = features[0, 1] + 10.0
    with torch.no_grad():
        found = net.similarity(features, torch.zeros(1, 1, 1, 6))[0, 0]
        assert found.sum(1) == pytest.approx(6.0, rel=1e-5)
        assert found[1].argsort(descending=True)[:3].tolist() in ([1, 5, 3], [5, 1, 3])
        assert int(found[1].argmin()) == 2
        assert float(found[1, 5]) == pytest.approx(float(found[1, 1]))
        # The formula itself, with its sign.
        distance = ((features[0, 1] - features[0]) ** 2).sum(-1)
        expected = 6 * torch.softmax(-distance / 4**0.5, 0)
        assert found[1] == pytest.approx(expected, rel=1e-3)
        masked = net.similarity(features, torch.tensor([0, 0, 0, 0, 0, network._NEVER]).reshape(1, 1, 1, 6))[0, 0]
    assert (masked[:, 5] == 0).all()
    assert masked.sum(1) == pytest.approx(5.0, rel=1e-5)


def test_the_attention_is_the_papers():
    attention = small("stgcn-tf-ssm-rel").layers[0].attend
    n, heads, depth = 5, attention.heads, attention.depth
    x, extra = torch.randn(1, n, SMALL.width), torch.randn(1, 1, n, n)
    with torch.no_grad():
        query, key, value = attention.inputs(x)[0].reshape(n, 3, heads, depth).permute(1, 2, 0, 3)
        expected = []
        for h in range(heads):
            rows = []
            for i in range(n):
                away = [attention.distances[h, j - i + attention.tokens - 1] for j in range(n)]
                scores = [query[h, i] @ key[h, j] + extra[0, 0, i, j] + query[h, i] @ away[j] for j in range(n)]
                rows.append(torch.softmax(torch.stack(scores) / depth**0.5, 0) @ value[h])
            expected.append(torch.stack(rows))
        expected = attention.out(torch.cat(expected, -1))
        assert attention(x, extra, torch.zeros(1, 1, 1, n))[0] == pytest.approx(expected, abs=1e-5)


def test_no_clip_is_longer_than_the_window():
    with pytest.raises(ValueError, match="at most"):
        small("stgcn-tf-rel")(*given(WINDOW + 4))
    with pytest.raises(TypeError, match="relative"):
        small("stgcn-tf").layers[0].attend.relative(torch.zeros(1, 2, 5, 8))


def test_a_glitch_cannot_outweigh_a_dance():
    slow, glitch = torch.tensor([0.03, -0.04]), torch.tensor([3000.0, -4000.0])
    assert network.squash(slow) == pytest.approx(slow / 0.5, rel=1e-2)
    squashed = network.squash(glitch)
    assert float(squashed.norm()) < 12
    assert squashed / squashed.norm() == pytest.approx(torch.tensor([0.6, -0.8]), rel=1e-4)
    assert network.squash(torch.zeros(2)).tolist() == [0, 0]


@pytest.mark.parametrize("shape", SHAPES.values())
def test_the_full_network_fits_its_budget(shape):
    full, tcn = (network.parameters(BeatNet(replace(shape, model=model))) for model in ("stgcn-tf-ssm-rel", "tcn"))
    assert 150_000 < full < 350_000
    assert 0.8 < tcn / full < 1.25
    assert np.prod(shape.strides) == network.FRAMES_PER_TOKEN
    assert len(shape.channels) == 10  # the paper's


# What is shipped


@pytest.mark.parametrize("model", VARIANTS)
def test_the_exported_network_is_the_trained_one(model):
    torch.manual_seed(0)
    net = BeatNet(NetConfig(model)).eval()
    graph = export.net_graph(net)
    assert len(graph) < 1e6
    session = open_session(graph)
    velocity, seen = given(WINDOW)
    with torch.no_grad():
        expected = net(velocity, seen).numpy()
    heard = session.run(None, {"velocity": velocity.numpy(), "seen": seen.numpy()})[0]
    assert expected.std() > 0.05
    assert np.abs(heard - expected).max() < 1e-3  # weights are stored in half precision
