"""Make `tests/data/transformers`: tiny models as Hugging Face `transformers` saves them, and what
it computes with them.

    python make_transformers.py [CLASS...]

Needs torch, transformers 5.24, tokenizers, sentencepiece, protobuf and soundfile. The weights are
those of the tiny NeMo checkpoints in the neighbouring directories, put into transformers' classes
under its names, so that what is decoded is text.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import transformers
import yaml
from tokenizers import AddedToken, normalizers
from transformers import (
    Nemotron3_5AsrConfig,
    Nemotron3_5AsrForRNNT,
    Nemotron3_5AsrProcessor,
    NemotronAsrStreamingConfig,
    NemotronAsrStreamingFeatureExtractor,
    NemotronAsrStreamingForRNNT,
    NemotronAsrStreamingProcessor,
    ParakeetCTCConfig,
    ParakeetFeatureExtractor,
    ParakeetForCTC,
    ParakeetForRNNT,
    ParakeetForTDT,
    ParakeetProcessor,
    ParakeetRNNTConfig,
    ParakeetTDTConfig,
    ParakeetTokenizer,
)
from transformers.convert_slow_tokenizer import ParakeetConverter

DATA = Path(__file__).parent
OUT = DATA / "transformers"
CLIPS = ("clip01", "clip04", "clip06")
LANGUAGES = ("auto", "en-US", "de-DE")

# transformers has one width for the predictor and the joint network.
WIDTH = 64


def main() -> None:
    """Write every directory anew, or those of the classes that are named."""
    torch.manual_seed(0)
    for name, source, dtype, shard in (
        ("ParakeetForCTC", "parakeet-ctc-0.6b", torch.float16, "300KB"),
        ("ParakeetForRNNT", "parakeet-rnnt-0.6b", torch.bfloat16, "5GB"),
        ("ParakeetForTDT", "parakeet-tdt-0.6b-v2", torch.bfloat16, "5GB"),
        ("NemotronAsrStreamingForRNNT", "nemotron-speech-streaming-en-0.6b", torch.float16, "5GB"),
        ("Nemotron3_5AsrForRNNT", "nemotron-3.5-asr-streaming-0.6b", torch.float16, "5GB"),
    ):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        directory = OUT / name
        shutil.rmtree(directory, ignore_errors=True)
        values, weights, pieces = nemo(DATA / source / "model.nemo")
        model = build(name, values, weights)
        processor = make_processor(name, values, pieces)
        model.to(dtype).save_pretrained(directory, max_shard_size=shard)
        processor.save_pretrained(directory)
        expect(name, directory)


def nemo(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor], bytes]:
    """Configuration, state dict and SentencePiece model of a checkpoint."""
    with tarfile.open(path) as archive:
        files = {m.name.removeprefix("./"): archive.extractfile(m) for m in archive if m.isfile()}
        data = {name: file.read() for name, file in files.items() if file is not None}
    values = yaml.safe_load(data["model_config.yaml"])
    weights = torch.load(io.BytesIO(data["model_weights.ckpt"]), weights_only=True)
    (pieces,) = (content for name, content in data.items() if name.endswith("tokenizer.model"))
    return values, weights, pieces


def build(name: str, values: dict[str, Any], weights: dict[str, torch.Tensor]) -> Any:
    """A model of the class `name` with NeMo's weights."""
    encoder = encoder_settings(values)
    vocab = len(values["joint" if "joint" in values else "decoder"]["vocabulary"])
    if name == "ParakeetForCTC":
        model: Any = ParakeetForCTC(
            ParakeetCTCConfig(encoder_config=encoder, vocab_size=vocab + 1, pad_token_id=vocab)
        )
    else:
        settings = {
            "encoder_config": encoder,
            "vocab_size": vocab + 1,
            "blank_token_id": vocab,
            "pad_token_id": 0,
            "decoder_hidden_size": WIDTH,
            "num_decoder_layers": values["decoder"]["prednet"]["pred_rnn_layers"],
            "max_symbols_per_step": values["decoding"]["greedy"]["max_symbols"],
        }
        if name == "ParakeetForTDT":
            durations = values["model_defaults"]["tdt_durations"]
            model = ParakeetForTDT(ParakeetTDTConfig(**settings, durations=durations))
        elif name == "ParakeetForRNNT":
            model = ParakeetForRNNT(ParakeetRNNTConfig(**settings))
        elif name == "Nemotron3_5AsrForRNNT":
            defaults = values["model_defaults"]
            settings |= {
                "num_prompts": defaults["num_prompts"],
                "prompt_intermediate_size": 2 * defaults["enc_hidden"],
                "default_prompt_id": defaults["prompt_dictionary"]["auto"],
            }
            model = Nemotron3_5AsrForRNNT(Nemotron3_5AsrConfig(**settings))
        else:
            model = NemotronAsrStreamingForRNNT(NemotronAsrStreamingConfig(**settings))
    state = model.state_dict()
    renamed = {}
    for theirs, value in weights.items():
        ours = transformers_name(theirs, streaming=name.startswith("Nemotron"))
        if ours is not None:
            renamed[ours] = padded(value, state[ours].shape)
    model.load_state_dict(renamed, strict=True)
    model.generation_config.decoder_start_token_id = vocab
    if name == "ParakeetForTDT":
        # generate() takes the largest of all outputs, and the last of those are durations.
        outputs = model.joint.head.out_features
        model.generation_config.suppress_tokens = list(range(vocab + 1, outputs))
    return model.eval()


def encoder_settings(values: dict[str, Any]) -> dict[str, Any]:
    """The encoder's configuration in transformers' words."""
    theirs = values["encoder"]
    settings = {
        "hidden_size": theirs["d_model"],
        "num_hidden_layers": theirs["n_layers"],
        "num_attention_heads": theirs["n_heads"],
        "intermediate_size": theirs["d_model"] * theirs["ff_expansion_factor"],
        "attention_bias": theirs["use_bias"],
        "convolution_bias": theirs["use_bias"],
        "conv_kernel_size": theirs["conv_kernel_size"],
        "subsampling_factor": theirs["subsampling_factor"],
        "subsampling_conv_channels": theirs["subsampling_conv_channels"],
        "num_mel_bins": theirs["feat_in"],
        "scale_input": theirs["xscaling"],
    }
    if theirs["att_context_style"] == "chunked_limited":
        (left, right), *_ = theirs["att_context_size"]
        settings |= {
            "model_type": "nemotron_asr_streaming_encoder",
            "sliding_window": left + 1,
            "default_num_lookahead_tokens": right,
        }
    return settings


def transformers_name(name: str, streaming: bool) -> str | None:
    """The name of one of NeMo's tensors in transformers; None for the frontend's."""
    if name.startswith("preprocessor."):
        return None
    for pattern, replacement in (
        (r"^encoder\.pre_encode\.out", "encoder.subsampling.linear"),
        (r"^encoder\.pre_encode\.conv", "encoder.subsampling.layers"),
        (r"linear_([qkv])\.", r"\1_proj."),
        (r"linear_out\.", "o_proj."),
        (r"linear_pos\.", "relative_k_proj."),
        (r"pos_bias_", "bias_"),
        (r"\.batch_norm\.", ".norm."),
        (r"^decoder\.decoder_layers\.0", "ctc_head"),
        (r"^decoder\.prediction\.embed", "decoder.embedding"),
        (r"^decoder\.prediction\.dec_rnn\.lstm", "decoder.lstm"),
        (r"^joint\.enc\.", "encoder_projector."),
        (r"^joint\.pred\.", "decoder.decoder_projector."),
        (r"^joint\.joint_net\.2\.", "joint.head."),
        (r"^prompt_kernel\.0\.", "prompt_projector.linear_1."),
        (r"^prompt_kernel\.2\.", "prompt_projector.linear_2."),
    ):
        name = re.sub(pattern, replacement, name)
    if streaming:
        name = name.replace("subsampling.layers.0.", "subsampling.conv_in.")
        for stage, index in ((0, 2), (1, 5)):
            layers = "encoder.subsampling.layers."
            name = name.replace(f"{layers}{index}.", f"{layers}{stage}.depthwise_conv.")
            name = name.replace(f"{layers}{index + 1}.", f"{layers}{stage}.pointwise_conv.")
    return name


def padded(value: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """`value` with zeros up to `shape`: LSTM units whose gates are all zero stay silent."""
    if value.shape == shape:
        return value
    if value.shape[0] % 4 == 0 and shape[0] == 4 * WIDTH:  # four gates, one after the other
        gates = value.reshape(4, -1, *value.shape[1:])
        return padded(gates, torch.Size((4, WIDTH, *shape[1:]))).reshape(shape)
    out = torch.zeros(shape)
    out[tuple(slice(n) for n in value.shape)] = value
    return out


def make_processor(name: str, values: dict[str, Any], pieces: bytes) -> Any:
    """The feature extractor and the tokenizer."""
    with tempfile.NamedTemporaryFile(suffix=".model") as file:
        file.write(pieces)
        file.flush()
        converted = ParakeetConverter(file.name).converted()
    # Normalisation is for encoding; SentencePiece's table of it is half of the directory's size.
    converted.normalizer = normalizers.Replace(" ", "\N{LOWER ONE EIGHTH BLOCK}")
    tokenizer = ParakeetTokenizer(tokenizer_object=converted, clean_up_tokenization_spaces=False)
    blank = [] if name == "ParakeetForCTC" else ["<blank>"]
    tokenizer.add_tokens(
        [AddedToken(text, normalized=False, special=True) for text in ("<unk>", *blank, "<pad>")]
    )
    tokenizer.add_special_tokens({"unk_token": "<unk>", "pad_token": "<pad>"})
    theirs = values["preprocessor"]
    settings = {
        "feature_size": theirs["features"],
        "sampling_rate": theirs["sample_rate"],
        "n_fft": theirs["n_fft"],
        "win_length": int(theirs["window_size"] * theirs["sample_rate"]),
        "hop_length": int(theirs["window_stride"] * theirs["sample_rate"]),
    }
    if name.startswith("Nemotron"):
        rights = [right for _, right in values["encoder"]["att_context_size"]]
        contexts = {
            "supported_num_lookahead_tokens": rights,
            "default_num_lookahead_tokens": rights[0],
        }
        extractor = NemotronAsrStreamingFeatureExtractor(**settings)
        if name == "NemotronAsrStreamingForRNNT":
            return NemotronAsrStreamingProcessor(extractor, tokenizer, **contexts)
        defaults = values["model_defaults"]
        prompts = {key: defaults[key] for key in ("prompt_dictionary", "num_prompts")}
        return Nemotron3_5AsrProcessor(extractor, tokenizer, **contexts, **prompts)
    kind = name.removeprefix("ParakeetFor").lower()
    return ParakeetProcessor(ParakeetFeatureExtractor(**settings), tokenizer, decoder_type=kind)


def expect(name: str, directory: Path) -> None:
    """Write what transformers computes with the directory: arrays of one clip, texts of all."""
    model = getattr(transformers, name).from_pretrained(directory, dtype=torch.float32).eval()
    processor = transformers.AutoProcessor.from_pretrained(directory)
    expected: dict[str, Any] = {"transformers": transformers.__version__}
    for clip in CLIPS:
        samples, rate = soundfile.read(DATA / "audio" / f"{clip}.wav", dtype="float32")
        inputs = processor(samples, sampling_rate=rate)
        with torch.no_grad():
            expected[clip] = decoded(name, model, processor, inputs)
            if clip == CLIPS[0]:
                np.savez_compressed(directory / "expected.npz", **stages(model, inputs))
            if hasattr(model, "prompt_projector"):
                expected[clip]["prompts"] = {
                    language: decoded(
                        name,
                        model,
                        processor,
                        processor(samples, sampling_rate=rate, language=language),
                    )
                    for language in LANGUAGES
                }
    text = json.dumps(expected, ensure_ascii=False, indent=1)
    (directory / "expected.json").write_text(text + "\n", "utf-8")


def decoded(name: str, model: Any, processor: Any, inputs: Any) -> dict[str, Any]:
    """Text, tokens and, for transducers, their frames."""
    out = model.generate(**inputs)
    if name == "ParakeetForCTC":
        frames = inputs["attention_mask"].sum(-1)
        ids = out[0, : int(model._get_subsampling_output_length(frames))].tolist()
        blank = model.config.pad_token_id
        kept = [t for i, t in enumerate(ids) if t != blank and (i == 0 or t != ids[i - 1])]
        return {"text": processor.batch_decode(out)[0], "tokens": kept}
    ids, steps = out.sequences[0].tolist(), out.durations[0].tolist()
    blank, kept, frames, frame = model.config.blank_token_id, [], [], 0
    for token, step in zip(ids, steps, strict=True):
        if token < blank:
            kept.append(token)
            frames.append(frame)
        frame += step
    text = processor.tokenizer.decode(kept, skip_special_tokens=True, group_tokens=False)
    return {"text": text, "tokens": kept, "frames": frames}


def stages(model: Any, inputs: Any) -> dict[str, np.ndarray]:
    """Features, encoder output and CTC log-probabilities of the frames that are not padding."""
    frames = int(inputs["attention_mask"].sum())
    prompt = inputs.pop("prompt_ids", None)
    encoded = model.encoder(**inputs)
    valid = int(encoded.attention_mask.sum())
    arrays = {
        "features": inputs["input_features"][0, :frames],
        "encoder": encoded.last_hidden_state[0, :valid],
    }
    if hasattr(model, "ctc_head"):
        logits = model(**inputs).logits[0, :valid]
        arrays["ctc_logprobs"] = torch.log_softmax(logits, dim=-1)
    if prompt is not None:
        one_hot = torch.nn.functional.one_hot(prompt, model.config.num_prompts)
        one_hot = one_hot.expand(valid, -1).float()
        joined = torch.cat([arrays["encoder"], one_hot], dim=-1)
        arrays["prompted_auto"] = model.prompt_projector(joined)
    return {key: value.numpy() for key, value in arrays.items()}


if __name__ == "__main__":
    main()
