"""Make tests/data/lmu: tiny LMU models of every kind, and what PyTorch computes with them.

    PYTHONPATH=bench python tests/data/make_lmu.py

in an environment with PyTorch, NeMo (for the features) and parrotlet.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import torch
import yaml
from lmu_torch import VOCABULARY, Config, LmuAsr
from nemo.collections.asr.modules import AudioToMelSpectrogramPreprocessor

DATA = Path(__file__).parent
CLIP = "clip01"
STEPS = 250

CELL = Config()
RECURRENT = replace(CELL, use_attention=False)
FFT = replace(RECURRENT, fft=True)

# By name: the model, how features are normalised, whether A and B are stored, and whether the
# configuration lies beside the checkpoint, which then is the state dict alone.
VARIANTS = {
    "attention": (CELL, "per_feature", True, False),
    "attention-no-bias": (replace(CELL, attention_bias=False), "per_feature", False, True),
    "recurrent": (RECURRENT, "per_feature", True, False),
    "recurrent-live": (RECURRENT, "none", False, False),
    "fft": (FFT, "none", True, False),
    "fft-attention": (replace(CELL, fft=True), "per_feature", True, True),
}


def features(normalize: str) -> torch.Tensor:
    """[frames, 80] of the clip, as NeMo computes them."""
    samples, _ = soundfile.read(DATA / "audio" / f"{CLIP}.wav", dtype="float32")
    preprocessor = AudioToMelSpectrogramPreprocessor(
        normalize=normalize, features=80, dither=0.0, pad_to=0, n_fft=512
    ).eval()
    found, length = preprocessor(
        input_signal=torch.from_numpy(samples)[None], length=torch.tensor([len(samples)])
    )
    return found[0, :, : int(length[0])].T.contiguous()


def spoken() -> str:
    """What is said in the clip."""
    lines = (DATA / "audio" / "manifest.jsonl").read_text("utf-8").splitlines()
    found = {Path(entry["audio_filepath"]).stem: entry["text"] for entry in map(json.loads, lines)}
    return found[CLIP]


def teach(model: LmuAsr, x: torch.Tensor, text: str) -> None:
    """Overfit the model to one clip."""
    wanted = torch.tensor([[VOCABULARY.index(letter) for letter in text]])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        log_probs = model.decoder(model.encoder(x[None])).transpose(0, 1)
        loss = torch.nn.functional.ctc_loss(
            log_probs,
            wanted,
            torch.tensor([len(x)]),
            torch.tensor([len(text)]),
            blank=len(VOCABULARY),
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def greedy(log_probs: np.ndarray) -> str:
    """The text of the best path."""
    best = log_probs.argmax(-1)
    kept = [k for i, k in enumerate(best) if i == 0 or best[i - 1] != k]
    return "".join(VOCABULARY[k] for k in kept if k < len(VOCABULARY))


def save(directory: Path, model: LmuAsr, settings: dict, stored: bool, as_yaml: bool) -> None:
    """The checkpoint, and its configuration in it or as YAML next to it."""
    state = model.state_dict()
    if not stored:
        state = {name: t for name, t in state.items() if not name.endswith((".A", ".B"))}
    if not as_yaml:
        torch.save({"model_state_dict": state, "config": settings}, directory / "checkpoint.pt")
        return
    torch.save(state, directory / "checkpoint.pt")
    features = {"n_mels": settings.pop("input_size")}
    text = yaml.safe_dump({"model": settings, "audio": features}, sort_keys=False)
    (directory / "checkpoint.yaml").write_text(text, encoding="utf-8")


def main() -> None:
    """Make every variant."""
    torch.set_num_threads(1)
    inputs = {kind: features(kind) for kind in ("per_feature", "none")}
    (DATA / "lmu").mkdir(exist_ok=True)
    np.savez_compressed(
        DATA / "lmu" / "features.npz", **{kind: x.numpy() for kind, x in inputs.items()}
    )
    for seed, (name, (config, normalize, stored, as_yaml)) in enumerate(VARIANTS.items()):
        torch.manual_seed(seed)
        x = inputs[normalize]
        model = LmuAsr(replace(config, seq_len=len(x)))
        teach(model, x, spoken())
        directory = DATA / "lmu" / name
        directory.mkdir(exist_ok=True)
        more = {} if normalize == "per_feature" else {"normalize": normalize}
        save(directory, model, config.settings(**more), stored, as_yaml)
        with torch.no_grad():
            encoder = model.eval().encoder(x[None])
            log_probs = model.decoder(encoder)[0].numpy()
        np.savez_compressed(
            directory / f"{CLIP}.npz", encoder=encoder[0].numpy(), ctc_logprobs=log_probs
        )
        found = {"text": greedy(log_probs), "features": normalize}
        (directory / "expected.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
        print(f"{name}: {found['text']}", flush=True)


if __name__ == "__main__":
    main()
