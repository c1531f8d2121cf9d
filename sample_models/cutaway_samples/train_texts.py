"""Training and measuring the small language models."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cutaway_samples import python_source
from cutaway_samples.recipes import TextRecipe
from cutaway_samples.reproducible import Tick, cosine, reproducible, silent
from cutaway_samples.score import Score
from cutaway_samples.text_corpora import texts
from cutaway_samples.vocabulary import END, train_tokenizer

_IGNORED = -100
_EVALUATION_BATCH = 32


@dataclass(frozen=True, eq=False)
class TextRun:
    """What one training run leaves behind.

    Attributes
    ----------
    net : nn.Module
        A `GPT2LMHeadModel` in eval mode.
    tokenizer : tokenizers.Tokenizer
        Untyped library, hence Any.
    train, test : Score
        Measured after the last step.
    """

    net: nn.Module
    tokenizer: Any
    train: Score
    test: Score


def documents_of(corpus: str, split: str) -> list[str]:
    """Texts that are read one after the other: whole modules and help texts, or sentences."""
    if corpus == "python-source":
        return [text for _, part, text in python_source.documents() if part == split]
    chosen = texts(corpus)
    return [text for text, part in zip(chosen.texts, chosen.split, strict=True) if part == split]


def encode(tokenizer: Any, documents: Sequence[str], recipe: TextRecipe) -> Tensor:
    """Token ids of some documents in rows as long as the model can read.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Untyped library, hence Any.
    documents : sequence of str
        For "python-source" they are joined by the end token and cut into rows; for "occupations"
        each sentence is a row of its own, with the end token before and after it.
    recipe : TextRecipe
        `corpus` and `context` decide.

    Returns
    -------
    int64 tensor, (rows, context + 1) or (rows, longest sentence + 2)
        Padding is -100.
    """
    end = tokenizer.token_to_id(END)
    ids = [encoded.ids for encoded in tokenizer.encode_batch(list(documents))]
    if recipe.corpus == "python-source":
        stream = torch.tensor([end] + [token for row in ids for token in [*row, end]])
        n_rows = (len(stream) - 1) // recipe.context
        starts = torch.arange(n_rows)[:, None] * recipe.context
        return stream[starts + torch.arange(recipe.context + 1)[None]]
    rows = torch.full((len(ids), max(map(len, ids)) + 2), _IGNORED)
    for place, row in enumerate(ids):
        rows[place, : len(row) + 2] = torch.tensor([end, *row, end])
    return rows


def token_losses(net: nn.Module, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log probability and whether it was the first guess, for each token after the first.

    Parameters
    ----------
    net : nn.Module
        Gives an object with `logits`.
    rows : int64 tensor, (n, length)
        Token ids, padded with -100 at the end.

    Returns
    -------
    losses : float32 tensor, (tokens,)
        In nats.
    hits : bool tensor, (tokens,)
        Whether the token was the most probable one.
    """
    targets = rows[:, 1:].reshape(-1)
    wanted = targets != _IGNORED
    logits = net(rows[:, :-1].clamp(min=0)).logits.flatten(0, 1)[wanted]
    losses = functional.cross_entropy(logits, targets[wanted], reduction="none")
    return losses, logits.argmax(1) == targets[wanted]


def evaluate_texts(net: nn.Module, rows: Tensor) -> Score:
    """Score of a language model in eval mode on encoded rows.

    Parameters
    ----------
    net : nn.Module
        Gives an object with `logits`.
    rows : int64 tensor, (n, length)
        As `encode` gives them.

    Returns
    -------
    Score
        Loss in nats per token and count of first guesses.
    """
    correct, n, loss = 0, 0, 0.0
    with torch.no_grad():
        for part in torch.split(rows, _EVALUATION_BATCH):
            losses, hits = token_losses(net, part)
            correct, n = correct + int(hits.sum()), n + len(hits)
            loss += float(losses.sum(dtype=torch.float64))
    return Score(correct, n, loss / n)


def train_text_net(
    recipe: TextRecipe, *, epochs: int | None = None, tick: Tick = silent
) -> TextRun:
    """Model, tokenizer and scores of one seeded training run; the same bits every time.

    Parameters
    ----------
    recipe : TextRecipe
        All settings.
    epochs : int, optional
        Instead of the recipe's.
    tick : callable
        Hears progress after every batch; may raise to cancel.

    Returns
    -------
    TextRun
        The trained model with what it scores.
    """
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    train_documents = documents_of(recipe.corpus, "train")
    tick(0.0, "tokenizer")
    tokenizer = train_tokenizer(recipe, train_documents)
    rows = encode(tokenizer, train_documents, recipe)
    n_steps, step = recipe.epochs * -(-len(rows) // recipe.batch_size), 0
    with reproducible(recipe.seed) as generator:
        net = make_gpt(recipe, tokenizer.get_vocab_size())
        optimizer = torch.optim.AdamW(
            net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        net.train()
        for epoch in range(recipe.epochs):
            order = torch.randperm(len(rows), generator=generator)
            for chosen in torch.split(order, recipe.batch_size):
                for group in optimizer.param_groups:
                    group["lr"] = recipe.learning_rate * cosine(step, n_steps)
                _step(net, optimizer, _varied(rows[chosen], recipe, generator))
                step += 1
                tick(0.95 * step / n_steps, f"epoch {epoch + 1}/{recipe.epochs}")
        net.eval()
        test_rows = encode(tokenizer, documents_of(recipe.corpus, "test"), recipe)
        run = TextRun(net, tokenizer, evaluate_texts(net, rows), evaluate_texts(net, test_rows))
    tick(1.0, "trained")
    return run


def make_gpt(recipe: TextRecipe, n_tokens: int) -> nn.Module:
    """Freshly initialised `GPT2LMHeadModel` without dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=n_tokens,
        n_positions=recipe.context,
        n_embd=recipe.width,
        n_layer=recipe.layers,
        n_head=recipe.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    net: nn.Module = GPT2LMHeadModel(config)
    return net


def _varied(rows: Tensor, recipe: TextRecipe, generator: torch.Generator) -> Tensor:
    """For sentences: half of the rows lose their leading end token.

    People type prompts without it, tools put it there: the model should know both.
    """
    if recipe.corpus != "occupations":
        return rows
    bare = torch.rand(len(rows), generator=generator) < 0.5
    moved = torch.cat([rows[:, 1:], torch.full((len(rows), 1), _IGNORED)], dim=1)
    return torch.where(bare[:, None], moved, rows)


def _step(net: nn.Module, optimizer: torch.optim.Optimizer, rows: Tensor) -> None:
    """One step of gradient descent on the mean loss, its gradient cut to length 1."""
    optimizer.zero_grad(set_to_none=True)
    losses, _ = token_losses(net, rows)
    torch.autograd.backward(losses.mean())
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
