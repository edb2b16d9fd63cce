"""Overrides that nobody should write, and the law that `nolab train` keeps whatever they are.

As a program it takes a number of cases and a seed, in a process of its own whose memory is limited; it prints what it
found as JSON, one line per case that broke the law.
"""

import contextlib
import io
import json
import resource
import signal
import sys
import time
import traceback
import warnings

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

MEMORY = 6 * 2**30
"""Bytes of address space that a case may take, Python and PyTorch included."""
SECONDS = 10

BASES = (
    (),
    ("model=tfno", "dataset=burgers"),
    ("model=tfno", "dataset=advection", "sampling=adaptive"),
    ("dataset=navier_stokes", "hierarchy=two", "model.rollout=true"),
    ("dataset=navier_stokes_forced", "hierarchy=two", "sampling=delayed"),
    ("dataset=helmholtz", "loss=h1", "sampling=mixed"),
    ("dataset=poisson", "points=sobol", "neval=64", "loss=mse"),
    ("dataset=darcy_lognormal", "points=importance", "neval=0.1"),
    ("dataset=diffusion_reaction", "model=deeponet", "points=epoch", "neval=64", "hierarchy=two"),
    ("dataset=heat", "model=deeponet", "points=stratified", "neval=64"),
    ("dataset=dynamical_system", "model=deeponet", "hierarchy=one", "sampling=fine"),
    ("dataset=shallow_water", "model=sfno", "hierarchy=two", "points=uniform"),
    ("dataset=elasticity", "model=ginot"),
    ("dataset=poisson_shapes", "model=gino", "sampling=curriculum"),
    ("dataset=poisson_shapes", "model=fnogno", "hierarchy=two", "sampling=coarse"),
    ("dataset=cylinder_flow", "model=mp_pde", "hierarchy=two", "sampling=auto"),
    ("precision=schedule", "scheduler=step", "optimizer=adam"),
    ("hierarchy.restriction=solve", "hierarchy=two"),
    ("hierarchy.levels=[{size: 17, precision: fp32, neval: 16}, 33, {stride: 2}]",),
    ("dataset=file", "dataset.path=nowhere.h5"),
)
"""Configs that are good (but for the last): one bad value is then all that is wrong."""

_WRONG_NUMBERS = (
    "0 -1 1 2 3 1.0 0.5 -0.0 1e-400 1e-320 1e-9 1e9 1e18 1e30 1e308 1e400 -1e400 nan inf -inf 1e999999 "
    "1000000 100000000 1000000000 1000000000000 9223372036854775807 9223372036854775808 "
    "-9223372036854775809 0x10 0b1 1_0 01 +1 1e 1. .5"
)
_NUMBERS = st.one_of(
    st.sampled_from(_WRONG_NUMBERS.split()),
    st.integers().map(str),
    st.integers(2**62, 2**70).map(str),
    st.integers(3, 5000).map(lambda digits: "9" * digits),
    st.floats().map(repr),
)
_WORDS = st.one_of(
    st.sampled_from(
        (
            "null",
            "true",
            "false",
            "True",
            "auto",
            "fp32",
            "schedule",
            "subsample",
            "mlmc",
            "",
            "''",
            "'",
            '"',
            "\\",
        )
    ),
    st.sampled_from(
        (
            "'",
            '"a',
            "[",
            "]",
            "{",
            "}",
            "(",
            "a b",
            "a:b",
            "a,b",
            "x y'",
            "${",
            "${}",
            "${delta}",
            "${oc.env:HOME}",
        )
    ),
    st.sampled_from(
        (
            "${oc.env:NO_SUCH}",
            "${nowhere}",
            "${sampling}",
            "${model.name}",
            "${.delta}",
            "${..seed}",
            "???",
            "${now:%s}",
        )
    ),
    st.sampled_from(
        ("/", "..", "/dev/zero", "/dev/null", "~", "a/b", "äöü", "🦊", "‮x", "\u2028", "a" * 5000)
    ),
    st.sampled_from(
        ("%s", "%n", "{0}", "choice(1,2)", "range(1,4)", "int(3)", "float(nan)", "sort(3,1)", "str([])")
    ),
    st.text(max_size=12),
)
_SCALARS = st.one_of(_NUMBERS, _WORDS)
VALUES = st.one_of(
    _NUMBERS,
    _SCALARS,
    st.lists(_SCALARS, max_size=4).map(lambda items: f"[{','.join(items)}]"),
    st.lists(_NUMBERS, min_size=1, max_size=3).map(lambda items: f"[{','.join(items)}]"),
    st.lists(st.lists(_NUMBERS, max_size=3), max_size=3).map(lambda rows: json.dumps(rows).replace('"', "")),
    st.tuples(st.sampled_from(("size", "stride", "start", "stop", "a", "_target_", "")), _SCALARS).map(
        lambda pair: f"{{{pair[0]}: {pair[1]}}}"
    ),
    st.integers(1, 400).map(lambda depth: "[" * depth + "]" * depth),
)
"""Right-hand sides, most of them wrong wherever they stand."""


def flat_keys(config: DictConfig) -> list[str]:
    """Every key of a composed config, dotted; groups too."""

    def walk(node: object, prefix: str):
        for key, child in node.items() if isinstance(node, dict) else ():
            yield f"{prefix}{key}"
            yield from walk(child, f"{prefix}{key}.")

    return list(walk(OmegaConf.to_container(config, resolve=False), ""))


@st.composite
def cases(draw: st.DrawFn, keys: dict[int, list[str]], groups: list[str]) -> list[str]:
    """Overrides of `nolab train`: a good config, and one to three that are made up."""
    base = draw(st.sampled_from(sorted(keys)))
    wrong = []
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        key = draw(
            st.one_of(
                st.sampled_from(keys[base]),
                st.sampled_from(keys[base]),
                st.sampled_from(groups),
                _misspelt(keys[base]),
            )
        )
        sign = draw(st.sampled_from(("", "", "", "", "", "", "", "", "", "+", "++", "~")))
        equals = draw(
            st.sampled_from(
                (
                    "=",
                    "=",
                    "=",
                    "=",
                    "=",
                    "=",
                    "=",
                    "=",
                    "=",
                    "=",
                    "=",
                    "=",
                    "=",
                    "=",
                    "",
                    "@x=",
                    ".deeper=",
                    ".0=",
                    "[0]=",
                    ".=",
                )
            )
        )
        wrong.append(f"{sign}{key}{equals}{draw(VALUES) if equals.endswith('=') else ''}")
    return [*BASES[base], "tracking=none", "device=cpu", *wrong]


def _misspelt(keys: list[str]) -> st.SearchStrategy[str]:
    def change(pair: tuple[str, int]) -> str:
        key, place = pair
        place %= len(key)
        return key[:place] + key[place + 1 :] + "x"

    return st.tuples(st.sampled_from(keys), st.integers(0, 40)).map(change)


class _TooSlow(BaseException):
    pass


def broken(overrides: list[str]) -> str | None:
    """How `nolab train` breaks the law under these overrides; None where it keeps it.

    The law: exit code 0, or 2 with one message; no traceback, within SECONDS.
    """
    from nolab.cli import main

    def stop(*_: object) -> None:
        raise _TooSlow("".join(traceback.format_stack()[-6:]))

    signal.signal(signal.SIGALRM, stop)
    out, err = io.StringIO(), io.StringIO()
    start, code = time.perf_counter(), None
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", "Sparse CSR")
            code = main(["train", *overrides])
    except _TooSlow as error:
        return f"more than {SECONDS} s: {error}"
    except SystemExit as error:
        return f"SystemExit {error.code}: {err.getvalue()[-500:]}"
    except BaseException:
        return traceback.format_exc()[-2500:]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    said = err.getvalue()
    if time.perf_counter() - start > SECONDS:
        return f"took {time.perf_counter() - start:.1f} s"
    if "Traceback" in said or code not in (0, 2):
        return f"exit code {code}: {said[-1500:]}"
    if code == 2 and [line[:7] for line in said.splitlines()].count("nolab: ") != 1:
        return f"messages: {said[-500:]}"
    return None


def prepared(config: DictConfig) -> None:
    """`nolab train` up to where it would read or make data."""
    from nolab.config import validate
    from nolab.training.setup import prepare

    prepare(validate(OmegaConf.to_container(config, resolve=True)))


def main(count: int, number: int) -> None:
    """Try `count` cases; print a JSON object per broken one, and one with the count at the end."""
    import nolab
    from nolab.commands import train

    train._train = prepared
    prepared(nolab.compose(["device=cpu"]))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    tried = 0
    for overrides, why in found(count, number):
        tried += 1
        if why is not None:
            print(json.dumps({"overrides": overrides, "why": why}), flush=True)
    print(json.dumps({"tried": tried}), flush=True)


def found(
    count: int, number: int, bases: tuple[tuple[str, ...], ...] = BASES
) -> list[tuple[list[str], str | None]]:
    """Cases, and how each broke the law or None; `nolab train` has to be replaced by :func:`prepared`."""
    import nolab
    from nolab.explain import config_keys, group_choices

    keys = {place: flat_keys(nolab.compose(list(base))) for place, base in enumerate(bases)}
    keys[0] = sorted({*keys[0], *config_keys()})
    groups = [f"{group}={choice}" for group, choices in group_choices().items() for choice in choices]
    groups += list(group_choices())
    outcomes = []

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(keys, groups))
    def try_all(overrides: list[str]) -> None:
        outcomes.append((overrides, broken(overrides)))

    try_all()
    return outcomes


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
