"""The networks of Fig. 2-4: shapes, identities at the start, options, and independence of the batch."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from ifgan.errors import InputError
from ifgan.models.build import build_discriminator, build_system
from ifgan.models.checkpoint import Trained, load_trained, save_trained
from ifgan.models.discriminator import Discriminator
from ifgan.models.generator import PLACES, Generator, SelfAttention
from ifgan.models.ifgan import Classifier, predict
from ifgan.presets import make_config


def tiny(**changes: object):
    small = {"image_size": 32, "generator_width": 4, "discriminator_width": 4, "encoder": "unet"}
    return make_config("cpu", **{**small, "backbone": "resnet18", "classifier_weights": "none", **changes})


def explicit_attention(module: SelfAttention, x: torch.Tensor) -> torch.Tensor:
    """Fig. 4 word for word, with the N x N map."""
    query, key, value = (conv(x).flatten(2) for conv in (module.query, module.key, module.value))
    attention = torch.einsum("bkn,bkm->bnm", query, key).softmax(-1)  # rows are queries
    return x + module.gamma * torch.einsum("bnm,bcm->bcn", attention, value).view_as(x)


def test_attention_starts_as_the_identity() -> None:
    x = torch.randn(2, 16, 5, 7)
    assert torch.equal(SelfAttention(16)(x), x)


def test_attention_equals_the_explicit_map_in_value_and_gradient() -> None:
    module, x = SelfAttention(16), torch.randn(2, 16, 5, 7)
    torch.nn.init.constant_(module.gamma, 0.7)
    gradients = []
    for function in (module, lambda y: explicit_attention(module, y)):
        y = x.clone().requires_grad_()
        output = function(y)
        output.square().sum().backward()
        gradients.append((output.detach(), y.grad))
    assert_close(*gradients, atol=1e-4, rtol=1e-4)


def test_attention_rows_sum_to_one_and_prefer_a_matching_key() -> None:
    module = SelfAttention(64)
    for conv in (module.query, module.key):  # the first 8 channels are query and key
        torch.nn.init.zeros_(conv.bias)
        with torch.no_grad():
            conv.weight.copy_(10 * torch.eye(8, 64)[..., None, None])
    x = torch.randn(1, 64, 4, 4)
    x[:, 8:] = 0
    rows = module.rows(x, torch.tensor([0, 6]))
    assert rows.shape == (1, 2, 4, 4)
    assert_close(rows.sum((2, 3)), torch.ones(1, 2))
    similarity = (x.flatten(2)[0].T @ x.flatten(2)[0])[6]
    assert rows[0, 1].flatten().argmax() == similarity.argmax()


@pytest.mark.parametrize("options", [{}, {"upsampling": "nearest"}, {"attention_level": 0}])
def test_generator_keeps_the_shape_and_the_range(options: dict) -> None:
    face = Generator(width=4, **options)(torch.rand(2, 3, 64, 64) * 2 - 1)
    assert face.shape == (2, 3, 64, 64)
    assert face.abs().max() <= 1


def test_generator_has_three_attention_modules_at_a_quarter_of_the_side() -> None:
    generator = Generator(width=4)
    assert set(generator.attention) == set(PLACES)
    for place in PLACES:
        rows = generator.attention_rows(torch.randn(1, 3, 64, 64), torch.tensor([0, 255]), place=place)
        assert rows.shape == (1, 2, 16, 16)


def test_attention_changes_nothing_at_the_start_and_something_once_gamma_moves() -> None:
    generator = Generator(width=4).eval()
    x = torch.randn(1, 3, 32, 32)
    before = generator(x)
    for module in generator.attention.values():
        torch.nn.init.constant_(module.gamma, 5.0)
    assert not torch.allclose(generator(x), before)


def test_paper_generator_takes_224_and_has_a_7x7_bottleneck() -> None:
    generator = Generator()
    shapes = []
    generator.down[-1].register_forward_hook(lambda *args: shapes.append(args[2].shape))
    with torch.inference_mode():
        assert generator.eval()(torch.zeros(1, 3, 224, 224)).shape == (1, 3, 224, 224)
    assert shapes == [(1, 512, 7, 7)]


def test_discriminator_judges_patches_of_the_stated_size() -> None:
    discriminator = Discriminator(width=2).eval()
    image = torch.zeros(1, 3, 224, 224, requires_grad=True)
    verdict = discriminator(image, torch.zeros(1, 3, 224, 224))
    verdict[0, 0, verdict.shape[2] // 2, verdict.shape[3] // 2].backward()
    reached = image.grad.abs().sum((0, 1)).sum(0).nonzero()
    assert (reached.max() - reached.min() + 1).item() == 70


def test_discriminator_map_of_the_paper_is_26_by_26() -> None:
    assert Discriminator(width=2)(torch.zeros(2, 3, 224, 224), torch.zeros(2, 3, 224, 224)).shape == (2, 1, 26, 26)


def test_repeated_stem_equals_the_single_network_on_two_equal_pictures(tmp_path: Path) -> None:
    state = timm.create_model("resnet18", num_classes=0).state_dict()
    save_file(state, tmp_path / "weights.safetensors")
    weights = str(tmp_path / "weights.safetensors")
    single = Classifier(backbone="resnet18", images=1, pretrained=weights).eval()
    image = torch.rand(2, 3, 32, 32)
    repeat = Classifier(backbone="resnet18", images=2, pretrained=weights).eval()
    assert_close(repeat(image, image)[1], single(image)[1], atol=1e-4, rtol=1e-4)


def test_networks_start_from_a_checkpoint(tmp_path: Path) -> None:
    """E's backbone on pairs, and a backbone as G's encoder, hold what the baseline had learnt."""
    path, labels = tmp_path / "best.safetensors", ("anger", "fear")
    baseline = build_system(tiny(method="baseline", backbone="resnet18"), 2)
    save_trained(path, Trained(baseline, labels, tiny(method="baseline", backbone="resnet18"), {}))
    config = tiny(backbone="resnet18", encoder="resnet18", classifier_weights=str(path))
    system = build_system(config, 3)  # other expressions: its head is its own
    expected = baseline.classifier.backbone.state_dict()
    halved = expected | {"conv1.weight": expected["conv1.weight"] / 2}  # each image's half of a pair
    for name, found in system.classifier.backbone.state_dict().items():
        assert_close(found[:, 3:] if name == "conv1.weight" else found, halved[name])
    assert torch.equal(system.generator.down[0][1].weight, expected["conv1.weight"])
    save_trained(path, Trained(system, labels, config, {}))  # of a pair's E, what reads the picture
    again = build_system(tiny(method="baseline", backbone="resnet18", classifier_weights=str(path)), 2)
    assert_close(again.classifier.backbone.state_dict(), halved)


def test_a_generator_starts_from_another_as_a_whole(tmp_path: Path) -> None:
    path, other = tmp_path / "run.safetensors", tmp_path / "baseline.safetensors"
    drawing, torch_seed = build_system(tiny(), 3), torch.initial_seed()
    save_trained(path, Trained(drawing, ("anger", "fear", "neutral"), tiny(), {}), half=True)
    config = tiny(backbone="resnet10t", generator_weights=str(path))
    system = build_system(config, 2)
    expected = {name: tensor.half().float() for name, tensor in drawing.generator.state_dict().items()}
    assert_close(system.generator.state_dict(), expected, atol=0, rtol=1e-3, check_dtype=False)
    assert torch_seed == torch.initial_seed()
    fresh = build_system(config, 2, pretrained="none").generator.up[0][1].weight
    assert not torch.equal(fresh, system.generator.up[0][1].weight)  # a checkpoint is rebuilt without the file
    handed_on = Trained(system, ("anger", "fear"), config, {}).for_release()
    assert handed_on.config.generator.weights is None
    with pytest.raises(InputError, match="holds no G of this form"):
        build_system(tiny(generator_weights=str(path), generator_width=8), 2)
    save_trained(other, Trained(build_system(tiny(method="baseline"), 2), ("anger", "fear"), tiny(), {}))
    with pytest.raises(InputError, match="holds no G of this form"):
        build_system(tiny(generator_weights=str(other)), 2)
    with pytest.raises(InputError, match=r"gone\.safetensors: no such weights file"):
        build_system(tiny(generator_weights=str(tmp_path / "gone.safetensors")), 2)


def test_a_classifier_starts_from_another_as_a_whole(tmp_path: Path) -> None:
    """What it says of an image is what the other said."""
    path, config = str(tmp_path / "best.safetensors"), tiny(method="baseline", backbone="resnet10t")
    learnt = build_system(config, 3).eval()
    torch.nn.init.normal_(learnt.classifier.head.weight)
    save_trained(Path(path), Trained(learnt, ("anger", "fear", "neutral"), config, {}))
    start = {"backbone": "resnet10t", "classifier_weights": path, "head_weights": True}
    system = build_system(tiny(**start), 3).eval()
    image = torch.rand(2, 3, 32, 32)
    assert_close(system.classifier(image, image)[0], learnt.classifier(image)[0], atol=1e-5, rtol=1e-5)
    with pytest.raises(InputError, match="knows 3 expressions; expected 4"):
        build_system(tiny(**start), 4)
    with pytest.raises(InputError, match="none is no checkpoint of ifgan"):
        build_system(tiny(head_weights=True), 3)


def test_maps_are_twice_as_fine_without_the_pooling_of_the_stem() -> None:
    picture = torch.rand(1, 3, 64, 64)
    sides = {
        pooling: Classifier(backbone="resnet10t", images=1, pretrained="none", stem_pooling=pooling)
        .backbone.forward_features(picture)
        .shape[-1]
        for pooling in (True, False)
    }
    assert sides == {True: 2, False: 4}
    with pytest.raises(InputError, match="tf_efficientnet_lite0 has no max pooling"):
        Classifier(backbone="tf_efficientnet_lite0", pretrained="none", stem_pooling=False)


@pytest.mark.parametrize("backbone", ["mobilenetv3_small_050", "lcnet_050", "efficientvit_b0", "hgnetv2_b0"])
def test_backbones_whose_head_widens_their_features_work(backbone: str) -> None:
    system = build_system(tiny(method="baseline", backbone=backbone, image_size=64), 3).eval()
    output = system(torch.zeros(2, 3, 64, 64))
    assert output.logits.shape == (2, 3) and output.features.shape[1] == system.classifier.head.in_features


def test_weights_of_another_backbone_name_theirs(tmp_path: Path) -> None:
    path, config = str(tmp_path / "best.safetensors"), tiny(method="baseline", backbone="resnet10t")
    save_trained(Path(path), Trained(build_system(config, 2), ("anger", "fear"), config, {}))
    with pytest.raises(InputError, match="of backbone resnet10t, and not of resnet18"):
        Classifier(backbone="resnet18", pretrained=path)
    torch.save(build_system(config, 2).state_dict(), tmp_path / "plain.pth")  # says nothing of whose it is
    Classifier(backbone="resnet10t", images=1, pretrained=str(tmp_path / "plain.pth"))
    with pytest.raises(InputError, match="of backbone resnet10t, and not of resnet18"):  # as G's encoding path
        build_system(tiny(encoder="resnet18", backbone="resnet10t", classifier_weights=path), 2)


def test_missing_weights_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such weights file"):
        Classifier(backbone="resnet18", pretrained=str(tmp_path / "none.pth"))
    for name in ("cut.safetensors", "cut.pth"):
        (tmp_path / name).write_bytes(b"\x08\x00\x00")
        with pytest.raises(InputError, match=f"{name}: can't be read as weights"):
            Classifier(backbone="resnet18", pretrained=str(tmp_path / name))


@pytest.mark.parametrize("method", ["baseline", "ifgan-noattention", "ifgan"])
def test_system_row_does_not_depend_on_its_batch(method: str) -> None:
    system = build_system(tiny(method=method), 6).eval()
    x = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        together, alone = system(x), system(x[1:2])
    assert_close(together.logits[1:2], alone.logits, atol=1e-5, rtol=1e-5)
    assert (together.average_face is None) == (method == "baseline")


def test_without_gan_weight_there_is_no_discriminator() -> None:
    assert build_discriminator(tiny(gan=0.0)) is None
    assert build_discriminator(tiny()) is not None


def test_checkpoint_round_trip_and_its_refusals(tmp_path: Path) -> None:
    config = tiny(method="ifgan")
    trained = Trained(build_system(config, 6).eval(), ("anger",) * 6, config, {"epoch": 3}, temperature=1.7)
    path = tmp_path / "model.safetensors"
    save_trained(path, trained)
    loaded = load_trained(path)
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded.system(x).logits, trained.system(x).logits)
    assert (loaded.config, loaded.about, loaded.temperature) == (config, {"epoch": 3}, 1.7)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="broken or cut off"):
        load_trained(path)


def test_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"ifgan": '{"format": 99}'})
    with pytest.raises(InputError, match="format 99"):
        load_trained(tmp_path / "a.safetensors")


def test_what_is_mirrored_is_read_alike() -> None:
    """By the baseline exactly; of a pair both halves are mirrored."""
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    mirrored = tiny(tta_inputs=("pair",), tta_flip=True)
    alone = build_system(mirrored.changed(method="baseline"), 6).eval()
    assert_close(predict(alone, x, mirrored).logits, predict(alone, x.flip(-1), mirrored).logits)
    system = build_system(mirrored, 6).eval()
    plain, E = system(x), system.classifier
    expected = (plain.logits.log_softmax(1) + E(x.flip(-1), plain.average_face.flip(-1))[0].log_softmax(1)) / 2
    assert_close(predict(system, x, mirrored).logits, expected)
    assert_close(predict(system, x, mirrored).average_face, plain.average_face)


def test_views_of_a_pair_are_averaged() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 3, 32, 32)
    system = build_system(tiny(), 6).eval()
    answers = {}
    for views in (("pair",), ("image",), ("generated",), ("pair", "image"), ("image", "pair")):
        with torch.inference_mode():
            answers[views] = predict(system, x, tiny(tta_inputs=views))
    assert torch.equal(answers["pair",].logits, system(x).logits)
    mean = (answers["pair",].logits.log_softmax(1) + answers["image",].logits.log_softmax(1)) / 2
    assert_close(answers["pair", "image"].logits, mean)
    assert_close(answers["image", "pair"].logits, mean)
    assert torch.equal(answers["image", "pair"].features, answers["image",].features)
    assert not torch.equal(answers["generated",].logits, answers["pair",].logits)


def test_dropout_hides_features_from_the_decision_in_training_only() -> None:
    """The island loss (Eq. 5) gets all of them; with none dropped the two modes of the head agree."""
    network = Classifier(backbone="test_resnet", images=1, pretrained="none", dropout=0.5)
    torch.nn.init.normal_(network.head.weight)
    picture = torch.rand(4, 3, 32, 32)
    (first, features), (second, again) = network.train()(picture), network(picture)
    assert torch.equal(features, again) and not torch.allclose(first, second)
    logits, features = network.eval()(picture)
    assert torch.equal(logits, network.head(features))
