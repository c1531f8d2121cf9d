"""Tokenizers of the small language models, in the form `transformers` loads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cutaway_samples.recipes import TextRecipe

END = "<|endoftext|>"


def train_tokenizer(recipe: TextRecipe, texts: Sequence[str]) -> Any:
    """Tokenizer trained on some texts.

    Parameters
    ----------
    recipe : TextRecipe
        `tokenizer` is "bytes" (byte-level byte-pair encoding as in GPT-2, nothing is unknown) or
        "words" (one token per word between spaces); `vocabulary` bounds its size.
    texts : sequence of str
        Training text.

    Returns
    -------
    tokenizers.Tokenizer
        Token 0 is "<|endoftext|>". The library has no types, hence Any.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    if recipe.tokenizer == "words":
        words = sorted({word for text in texts for word in text.split()})
        table = {word: number for number, word in enumerate([END, *words])}
        if len(table) > recipe.vocabulary:
            raise ValueError(
                f"vocabulary must hold {len(table)} tokens, got {recipe.vocabulary}; raise it"
            )
        by_word = Tokenizer(models.WordLevel(table, unk_token=END))
        by_word.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        by_word.add_special_tokens([END])
        return by_word
    by_byte = Tokenizer(models.BPE())
    by_byte.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    by_byte.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    by_byte.train_from_iterator(texts, trainer)
    return by_byte


def write_tokenizer(tokenizer: Any, folder: Path, context: int) -> None:
    """Write tokenizer.json and tokenizer_config.json, readable by transformers 4 and 5.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        As `train_tokenizer` gives it.
    folder : Path
        Where to.
    context : int
        Longest number of tokens of the model.
    """
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "pad_token": END,
        "unk_token": END,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
