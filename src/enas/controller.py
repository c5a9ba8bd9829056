"""The controller: one LSTM policy for every search space (Pham et al. 2018, sections 2.1 and 2.4).

It walks the space's decisions in sampling order, a whole batch of architectures at a time, and knows nothing of what
they stand for. Sampling and evaluating given architectures are the same walk: in the first one uniform number per
integer decides it, in the second the integers are given.

Departure from the original: the entropy of a decision is −Σ p log p, in every space (the original's macro controller
takes the sampled term alone).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, logsigmoid

from enas.search_space.architecture import Architecture
from enas.search_space.base import (
    ChooseEarlier,
    ChooseOperation,
    ChooseSubset,
    CloseNode,
    Decision,
    OpenCell,
    SearchSpace,
    Vocabulary,
)

INITIAL_RANGE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A batch of n architectures and how the controller sees them.

    Args:
        integers: shape (n, length), int64, in the order of the encoding.
        log_prob: shape (n,); log-probability of each architecture. Carries the gradient.
        entropy: shape (n,); sum of the entropies of the decisions on each one's way, in nats. Carries a gradient.
        skip_penalty: shape (n,); mean over the layers that may have skips of Σ_j KL(σ(logit_j) ‖ target); 0 where no
            layer may. Carries a gradient.
    """

    integers: Tensor
    log_prob: Tensor
    entropy: Tensor
    skip_penalty: Tensor

    @property
    def architectures(self) -> list[Architecture]:
        """The n architectures."""
        return [Architecture(tuple(row)) for row in self.integers.tolist()]


class Controller(nn.Module):
    """An LSTM whose states choose operations, earlier nodes and skips.

    Args:
        space: whose decisions to take.
        hidden_size: H, of the LSTM, the embeddings and the attention.
        tanh_constant: logits are squashed to tanh_constant · tanh(logit).
        op_tanh_reduce: operation logits use tanh_constant / op_tanh_reduce.
        temperature: logits are divided by it before they are squashed; None: 1.
        skip_target: the rate that the skip penalty pulls towards, in (0, 1).
        generator: draws the initial weights, uniform in ±0.1.

    Example:
        >>> from enas.search_space import DenseSpace
        >>> generator = torch.Generator().manual_seed(0)
        >>> controller = Controller(DenseSpace(3, (8, 16)), tanh_constant=1.5, generator=generator)
        >>> sample = controller.sample(4, generator)
        >>> sample.integers.shape, sample.log_prob.shape
        (torch.Size([4, 6]), torch.Size([4]))
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        tanh_constant: float,
        generator: torch.Generator,
        hidden_size: int = 64,
        op_tanh_reduce: float = 1.0,
        temperature: float | None = None,
        skip_target: float = 0.4,
    ) -> None:
        super().__init__()
        self.space = space
        self.hidden_size = hidden_size
        self.tanh_constant = tanh_constant
        self.op_tanh_constant = tanh_constant / op_tanh_reduce
        self.temperature = temperature
        self.skip_target = skip_target

        def weight(*shape: int) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(*shape, generator=generator) - 1) * INITIAL_RANGE)

        vocabularies = _vocabularies(space.decisions)
        self.lstm = weight(2 * hidden_size, 4 * hidden_size)  # rows [x, h], columns [input, forget, output, candidate]
        self.start = weight(1, hidden_size)
        self.embedding = nn.ParameterDict({v.name: weight(v.n_options, hidden_size) for v in vocabularies})
        self.softmax = nn.ParameterDict({v.name: weight(hidden_size, v.n_options) for v in vocabularies})
        self.bias = nn.ParameterDict(
            {v.name: nn.Parameter(torch.tensor([v.initial_bias])) for v in vocabularies if v.initial_bias is not None}
        )
        self.key = weight(hidden_size, hidden_size)
        self.query = weight(hidden_size, hidden_size)
        self.attention = weight(hidden_size, 1)

    def sample(self, n: int, generator: torch.Generator) -> Sample:
        """Draw n architectures; records the gradient unless under `torch.no_grad()`.

        Cost hardly grows with n, so draw many at once. The same state of the generator gives the same architectures.
        """
        uniform = torch.rand(n, len(self.space.integers), generator=generator, device=generator.device)
        return self._walk(_Walk.begin(self.start, uniform.to(self.start.device), sampling=True))

    def evaluate(self, architectures: Sequence[Architecture]) -> Sample:
        """Log-probability, entropy and skip penalty of given architectures, with gradient.

        Raises:
            ConfigError: one of them is not of this space.
        """
        for architecture in architectures:
            self.space.validate(architecture)
        integers = torch.tensor([architecture.values for architecture in architectures], device=self.start.device)
        return self._walk(_Walk.begin(self.start, integers, sampling=False))

    def _walk(self, walk: "_Walk") -> Sample:
        """Take all decisions in turn."""
        for decision in self.space.decisions:
            match decision:
                case ChooseOperation():
                    self._choose_operation(walk, decision)
                case ChooseEarlier():
                    self._choose_earlier(walk, decision)
                case ChooseSubset():
                    self._choose_subset(walk, decision)
                case CloseNode():
                    self._step(walk)
                    self._add_anchor(walk, walk.hidden)
                    walk.inputs = walk.start
                case OpenCell():
                    self._open_cell(walk, decision)
        return self._score(walk)

    def _choose_operation(self, walk: "_Walk", decision: ChooseOperation) -> None:
        name = decision.vocabulary.name
        self._step(walk)
        logits = walk.hidden @ self.softmax[name]
        if name in self.bias:
            logits = logits + self.bias[name]
        logits = self._squash(logits, self.op_tanh_constant)
        if decision.fixed_bias is not None:
            logits = logits + logits.new_tensor(decision.fixed_bias)
        chosen = walk.choose(decision.position, logits)
        walk.inputs = self.embedding[name][chosen]

    def _choose_earlier(self, walk: "_Walk", decision: ChooseEarlier) -> None:
        self._step(walk)
        logits = self._squash(self._attend(walk), self.tanh_constant)
        chosen = walk.choose(decision.position, logits)
        walk.inputs = torch.stack(walk.values, dim=1)[walk.rows, chosen]

    def _choose_subset(self, walk: "_Walk", decision: ChooseSubset) -> None:
        self._step(walk)
        walk.inputs = walk.start
        if decision.positions:
            logits = self._squash(self._attend(walk), self.tanh_constant)
            chosen = walk.choose_bits(decision.positions, logits).to(logits.dtype)
            total = torch.bmm(chosen.unsqueeze(1), torch.stack(walk.values, dim=1)).squeeze(1)
            walk.inputs = total / (1 + chosen.sum(dim=1, keepdim=True))
        self._add_anchor(walk, walk.hidden)

    def _open_cell(self, walk: "_Walk", decision: OpenCell) -> None:
        """The cell's inputs have keys, but zeros for values."""
        walk.values, walk.keys = [], []
        walk.inputs = walk.start
        for _ in range(decision.n_inputs):
            self._step(walk)
            self._add_anchor(walk, torch.zeros_like(walk.hidden))

    def _step(self, walk: "_Walk") -> None:
        """One LSTM step, without biases."""
        gates = torch.cat((walk.inputs, walk.hidden), dim=1) @ self.lstm
        enter, keep, show = gates[:, : 3 * self.hidden_size].sigmoid().chunk(3, dim=1)
        candidate = gates[:, 3 * self.hidden_size :].tanh()
        walk.memory = torch.addcmul(keep * walk.memory, enter, candidate)
        walk.hidden = show * walk.memory.tanh()

    def _add_anchor(self, walk: "_Walk", value: Tensor) -> None:
        walk.values.append(value)
        walk.keys.append(walk.hidden @ self.key)

    def _attend(self, walk: "_Walk") -> Tensor:
        """One number per anchor so far, shape (n, n_anchors)."""
        query = (walk.hidden @ self.query).unsqueeze(1)
        return (torch.stack(walk.keys, dim=1) + query).tanh().matmul(self.attention).squeeze(2)

    def _squash(self, logits: Tensor, constant: float) -> Tensor:
        return constant * (logits if self.temperature is None else logits / self.temperature).tanh()

    def _score(self, walk: "_Walk") -> Sample:
        """Sum up over the decisions, those with the same number of options together, and all skip bits together."""
        integers = torch.stack([walk.chosen[position] for position in range(len(walk.chosen))], dim=1)
        log_prob, entropy, penalty = walk.hidden.new_zeros(3, len(integers)).unbind()
        for scored in walk.scored.values():
            log_p = log_softmax(torch.stack([logits for logits, _ in scored], dim=1), dim=2)
            chosen = torch.stack([chosen for _, chosen in scored], dim=1).unsqueeze(2)
            log_prob = log_prob + log_p.gather(2, chosen).sum(dim=(1, 2))
            entropy = entropy - (log_p.exp() * log_p).sum(dim=(1, 2))
        if walk.skip_logits:
            logits, bits = torch.cat(walk.skip_logits, dim=1), torch.cat(walk.skips, dim=1)
            log_prob = log_prob + logsigmoid((4 * bits - 2) * logits).sum(dim=1)
            entropy = entropy + _binary_entropy(2 * logits).sum(dim=1)
            penalty = _skip_penalty(logits, self.skip_target).sum(dim=1) / len(walk.skip_logits)
        return Sample(integers, log_prob, entropy, penalty)


@dataclass(slots=True)
class _Walk:
    """Where a walk stands, for n architectures at once: LSTM state, anchors, and what has been decided.

    Skip logits q stand for the pair (−q, q), so a bit is 1 with probability σ(2q).

    Args:
        source: per position of the encoding a tensor of shape (n,): while sampling the uniform numbers that decide it,
            otherwise the integers themselves.
        start, inputs, hidden, memory: shape (n, H); start embedding, next input, LSTM state.
        values, keys: of the anchors so far, shape (n, H) each.
        chosen: per position the integers, shape (n,).
        scored: per number of options the decisions' (logits, chosen).
        skip_logits, skips: per layer, shape (n, number of earlier layers).
    """

    source: tuple[Tensor, ...]
    sampling: bool
    start: Tensor
    inputs: Tensor
    hidden: Tensor
    memory: Tensor
    rows: Tensor
    values: list[Tensor] = field(default_factory=list)
    keys: list[Tensor] = field(default_factory=list)
    chosen: dict[int, Tensor] = field(default_factory=dict)
    scored: dict[int, list[tuple[Tensor, Tensor]]] = field(default_factory=dict)
    skip_logits: list[Tensor] = field(default_factory=list)
    skips: list[Tensor] = field(default_factory=list)

    @classmethod
    def begin(cls, start: Tensor, source: Tensor, *, sampling: bool) -> "_Walk":
        start = start.expand(len(source), -1)
        zeros = torch.zeros_like(start)
        rows = torch.arange(len(source), device=start.device)
        return cls(source.unbind(1), sampling, start, inputs=start, hidden=zeros, memory=zeros, rows=rows)

    def choose(self, position: int, logits: Tensor) -> Tensor:
        """One of the options, shape (n,), from logits of shape (n, n_options)."""
        chosen = self.source[position]
        if self.sampling:
            p = logits.detach().softmax(dim=1)
            chosen = (chosen.unsqueeze(1) >= p[:, :-1].cumsum(dim=1)).sum(dim=1)
        self.chosen[position] = chosen
        self.scored.setdefault(logits.shape[1], []).append((logits, chosen))
        return chosen

    def choose_bits(self, positions: tuple[int, ...], logits: Tensor) -> Tensor:
        """A bit per logit, shape (n, len(positions))."""
        bits = torch.stack([self.source[position] for position in positions], dim=1)
        if self.sampling:
            bits = (bits < (2 * logits.detach()).sigmoid()).long()
        self.chosen.update(zip(positions, bits.unbind(1), strict=True))
        self.skip_logits.append(logits)
        self.skips.append(bits)
        return bits


def _vocabularies(decisions: tuple[Decision, ...]) -> list[Vocabulary]:
    """The distinct vocabularies in order of appearance."""
    return list(dict.fromkeys(d.vocabulary for d in decisions if isinstance(d, ChooseOperation)))


def _binary_entropy(logits: Tensor) -> Tensor:
    """Entropy of bits that are 1 with probability σ(logit), in nats."""
    return -(logits.sigmoid() * logsigmoid(logits) + (-logits).sigmoid() * logsigmoid(-logits))


def _skip_penalty(logits: Tensor, target: float) -> Tensor:
    """KL(σ(logits) ‖ target) per logit; the original takes σ of the logit itself, not the probability σ(2·logit)."""
    on, off = logits.sigmoid(), (-logits).sigmoid()
    goal = logits.new_tensor((target, 1 - target)).log()
    return on * (logsigmoid(logits) - goal[0]) + off * (logsigmoid(-logits) - goal[1])
